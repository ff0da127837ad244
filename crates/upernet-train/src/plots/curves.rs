//! Curves over the steps of a run.

mod drawing;
mod panel;

use super::{
    axis::{Axis, AxisScale},
    canvas::{Area, Canvas},
    color::{INK, MUTED},
    legend::level,
    letters::{self, Align},
    trace,
};
use panel::{GAP, Plot};
use upernet_image::image::RgbImage;

/// Panels of curves above one another, over one axis of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveChart {
    /// Stands above all; nothing for no title.
    pub title: String,
    /// What is counted from left to right, such as "step".
    pub x_label: String,
    /// From above to below; the first 32 are drawn.
    pub panels: Vec<Panel>,
}

/// Curves that share an axis of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What the values are, such as "loss".
    pub title: String,
    /// How values become heights; a logarithmic axis shows at most five powers of ten.
    pub scale: AxisScale,
    /// The curves, those drawn first below those drawn later.
    pub series: Vec<Series>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// Step and value of each point, in any order.
    ///
    /// Values that are not finite leave a gap and a cross at the foot of the panel.
    pub points: Vec<[f64; 2]>,
    /// How the points are drawn.
    pub style: SeriesStyle,
}

/// How the points of a series are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeriesStyle {
    /// A line.
    #[default]
    Line,
    /// A line with a dot at each point, for values that come rarely, such as scores.
    Dots,
    /// Values thin and pale below their running mean, for values that jump, such as a loss.
    ///
    /// Outliers (of 200 values, the highest and the lowest) may lie beyond the axis.
    Smoothed,
}

const WIDTH: f32 = 1200.0;
const MARGIN: f32 = 24.0;
const TITLE_HEIGHT: f32 = 44.0;
const FOOT_HEIGHT: f32 = 44.0;
/// Room that the numbers of all but the strangest values need beside the panels.
const NUMBERS_WIDTH: f32 = 80.0;
const MOST_PANELS: usize = 32;
const TITLE_SIZE: f32 = 19.0;
const LABEL_SIZE: f32 = 13.0;

/// Draws a chart of curves, 1,200 pixels wide.
///
/// Each pixel column shows the lowest and highest value of the steps that fall into it, so hundreds of
/// thousands of points cost little and hide nothing.
///
/// ```
/// use upernet_train::plots::{AxisScale, CurveChart, Panel, Series, SeriesStyle, curves};
///
/// let points = (0..100).map(f64::from).map(|step| [step, 2.0 / (1.0 + step)]);
/// let loss = Series {
///     name: "training".to_owned(),
///     points: points.collect(),
///     style: SeriesStyle::Smoothed,
/// };
/// let picture = curves(&CurveChart {
///     title: "first run".to_owned(),
///     x_label: "step".to_owned(),
///     panels: vec![Panel {
///         title: "loss".to_owned(),
///         scale: AxisScale::Linear,
///         series: vec![loss],
///     }],
/// });
/// assert_eq!(picture.width(), 1200);
/// ```
#[must_use]
pub fn curves(chart: &CurveChart) -> RgbImage {
    let panels = &chart.panels[..chart.panels.len().min(MOST_PANELS)];
    let plots: Vec<Plot<'_>> = panels
        .iter()
        .map(|panel| Plot::new(panel, WIDTH - 2.0 * MARGIN - NUMBERS_WIDTH))
        .collect();
    let head = if chart.title.is_empty() {
        MARGIN / 2.0
    } else {
        MARGIN / 2.0 + TITLE_HEIGHT
    };
    let height = plots.iter().map(Plot::height).sum::<f32>() + head + FOOT_HEIGHT;
    let mut canvas = Canvas::new(WIDTH, height);
    let words = level([MARGIN, MARGIN / 2.0 + 18.0], Align::Start, TITLE_SIZE, INK);
    let title = letters::fitted(&chart.title, TITLE_SIZE, WIDTH - 2.0 * MARGIN);
    canvas.words(&title, words);

    let left = MARGIN + plots.iter().map(Plot::label_width).fold(20.0, f32::max);
    let steps = trace::range(plots.iter().flat_map(Plot::steps));
    let x = Axis::new(
        AxisScale::Linear,
        steps.unwrap_or([0.0, 1.0]),
        left,
        WIDTH - MARGIN,
    );
    let mut top = head;
    for plot in &plots {
        plot.draw(&mut canvas, top, &x);
        top += plot.height();
    }
    foot(
        &mut canvas,
        &chart.x_label,
        &x,
        Area {
            left,
            top: top - GAP,
            width: WIDTH - MARGIN - left,
            height: FOOT_HEIGHT + GAP,
        },
    );
    canvas.into_picture()
}

/// How many steps are written below the panels.
const STEP_TICKS: f64 = 10.0;

fn foot(canvas: &mut Canvas, x_label: &str, x: &Axis, area: Area) {
    for tick in x.ticks(STEP_TICKS) {
        let words = level(
            [tick.position, area.top + 14.0],
            Align::Middle,
            LABEL_SIZE,
            MUTED,
        );
        canvas.words(&tick.label, words);
    }
    let label = letters::fitted(x_label, LABEL_SIZE, area.width);
    let anchor = [area.center()[0], area.top + 37.0];
    canvas.words(&label, level(anchor, Align::Middle, LABEL_SIZE, INK));
}

#[cfg(test)]
mod tests;
