//! One panel: its axes, its curves and their names.

use super::{
    super::{
        axis::{Axis, AxisScale},
        canvas::{Area, Canvas, Line},
        color::{self, ALERT, INK, MUTED, WHITE},
        legend::{self, Legend, level},
        letters::{self, Align},
        trace::{self, Trace},
    },
    LABEL_SIZE, Panel, SeriesStyle,
    drawing::{DOT, Place, VALUE_TICKS},
};

const PLOT_HEIGHT: f32 = 230.0;
const HEAD_HEIGHT: f32 = 30.0;
/// Below each panel, in pixels.
pub(super) const GAP: f32 = 18.0;
const PANEL_TITLE_SIZE: f32 = 15.0;
/// Room kept free above and below the curves, as a share of the axis.
const MARGIN: f64 = 0.05;

/// Below so many powers of ten under the highest value, a logarithmic axis ends: a learning rate that
/// starts and ends next to zero would leave no height for what lies between.
const MOST_DECADES: f64 = 5.0;

/// A panel with what is drawn of it.
pub(super) struct Plot<'a> {
    panel: &'a Panel,
    traces: Vec<Trace>,
    smoothed: Vec<Option<Trace>>,
    legend: Legend,
    title_width: f32,
    names_width: f32,
}

impl<'a> Plot<'a> {
    /// Prepares a panel whose names have room for `width` pixels.
    pub(super) fn new(panel: &'a Panel, width: f32) -> Self {
        let traces: Vec<Trace> = panel
            .series
            .iter()
            .map(|series| Trace::new(&series.points, panel.scale))
            .collect();
        let smoothed = panel
            .series
            .iter()
            .zip(&traces)
            .map(|(series, trace)| {
                (series.style == SeriesStyle::Smoothed).then(|| trace.smoothed())
            })
            .collect();
        Self {
            panel,
            traces,
            smoothed,
            legend: Legend::new(
                panel.series.iter().map(|series| series.name.as_str()),
                width,
            ),
            title_width: letters::width(&panel.title, PANEL_TITLE_SIZE),
            names_width: width,
        }
    }

    /// Height of the panel with its title and names, in pixels.
    pub(super) fn height(&self) -> f32 {
        self.head_height() + PLOT_HEIGHT + GAP
    }

    /// All steps at which there is something to draw.
    pub(super) fn steps(&self) -> impl Iterator<Item = f64> {
        self.traces.iter().flat_map(|trace| {
            let drawn = trace.points().map(|[step, _]| step);
            drawn.chain(trace.not_finite.iter().copied())
        })
    }

    /// Width of the longest number beside the axis, with its distance, in pixels.
    pub(super) fn label_width(&self) -> f32 {
        let ticks = self.axis(0.0).ticks(VALUE_TICKS);
        let widths = ticks
            .iter()
            .map(|tick| letters::width(&tick.label, LABEL_SIZE));
        widths.fold(0.0, f32::max) + 10.0
    }

    /// Draws the panel from row `top` on over the steps of `x`.
    pub(super) fn draw(&self, canvas: &mut Canvas, top: f32, x: &Axis) {
        let (left, right) = x.ends();
        let area = Area {
            left,
            top: top + self.head_height(),
            width: right - left,
            height: PLOT_HEIGHT,
        };
        self.head(canvas, top, area);
        let y = self.axis(area.top);
        let place = Place { area, x, y: &y };
        place.grid(canvas);
        // Pale values first: they would hide the lines of other series.
        for (index, trace) in self.traces.iter().enumerate() {
            let (color, round) = color::series_color(index);
            if self.smoothed[index].is_some() {
                let color = color::pale(color, 0.35);
                let width = 1.0;
                place.curve(
                    canvas,
                    trace,
                    Line {
                        color,
                        width,
                        round,
                    },
                );
            }
        }
        for (index, series) in self.panel.series.iter().enumerate() {
            let (color, round) = color::series_color(index);
            let width = 2.0;
            let trace = self.smoothed[index].as_ref().unwrap_or(&self.traces[index]);
            place.curve(
                canvas,
                trace,
                Line {
                    color,
                    width,
                    round,
                },
            );
            if series.style == SeriesStyle::Dots {
                place.dots(canvas, trace, color);
            }
        }
        self.alerts(canvas, area, x);
        if self.steps().next().is_none() {
            let words = level(area.center(), Align::Middle, LABEL_SIZE, MUTED);
            canvas.words("no values yet", words);
        }
    }

    /// The axis of values below row `top`.
    fn axis(&self, top: f32) -> Axis {
        let ranges = self
            .traces
            .iter()
            .zip(&self.smoothed)
            .flat_map(|(trace, smoothed)| {
                let range = match smoothed {
                    Some(smoothed) => [trace.usual_range(), whole_range(smoothed)],
                    None => [whole_range(trace), None],
                };
                range.into_iter().flatten().flatten()
            });
        let [low, high] = trace::range(ranges).unwrap_or([0.0, 1.0]);
        let range = match self.panel.scale {
            AxisScale::Linear => [low, high],
            AxisScale::Logarithmic => [low.max(high - MOST_DECADES), high],
        };
        Axis::new(self.panel.scale, range, top + PLOT_HEIGHT, top).with_margin(MARGIN)
    }

    /// The names stand beside the title where they fit, else below it.
    fn names_beside_title(&self) -> bool {
        let free = self.names_width - self.title_width - 40.0;
        self.legend.height() <= legend::LINE && self.legend.width() <= free
    }

    fn head_height(&self) -> f32 {
        if self.names_beside_title() {
            HEAD_HEIGHT
        } else {
            HEAD_HEIGHT + self.legend.height()
        }
    }

    fn head(&self, canvas: &mut Canvas, top: f32, area: Area) {
        let title = letters::fitted(&self.panel.title, PANEL_TITLE_SIZE, area.width);
        let anchor = [area.left, top + HEAD_HEIGHT / 2.0];
        canvas.words(&title, level(anchor, Align::Start, PANEL_TITLE_SIZE, INK));
        let corner = if self.names_beside_title() {
            let inset = (HEAD_HEIGHT - legend::LINE) / 2.0;
            [area.right() - self.legend.width(), top + inset]
        } else {
            [area.left, top + HEAD_HEIGHT]
        };
        self.legend.draw(canvas, corner, |canvas, index, [x, y]| {
            let (color, round) = color::series_color(index);
            let line = Line {
                color,
                width: 2.4,
                round,
            };
            let ends = [[x + 1.0, y], [x + legend::MARK - 1.0, y]];
            let around = Area {
                left: x,
                top: y - 4.0,
                width: legend::MARK,
                height: 8.0,
            };
            canvas.polylines([&ends[..]], line, around);
            if self.panel.series[index].style == SeriesStyle::Dots {
                canvas.disc([x + legend::MARK / 2.0, y], DOT, color);
            }
        });
    }

    /// A cross for each column of pixels with values that are not finite, and their number.
    fn alerts(&self, canvas: &mut Canvas, area: Area, x: &Axis) {
        let steps = self.traces.iter().flat_map(|trace| &trace.not_finite);
        let count = steps.clone().count();
        if count == 0 {
            return;
        }
        let mut columns: Vec<f32> = steps.map(|step| x.position(*step).round()).collect();
        columns.sort_by(f32::total_cmp);
        columns.dedup_by(|right, left| *right - *left < 9.0);
        let foot = area.bottom() - 7.0;
        let line = Line {
            color: ALERT,
            width: 1.8,
            round: 0,
        };
        let clip = area.grown(8.0);
        let strokes = columns.iter().flat_map(|column| {
            [-3.5, 3.5].map(|rise| [[column - 3.5, foot - rise], [column + 3.5, foot + rise]])
        });
        let strokes: Vec<[[f32; 2]; 2]> = strokes.collect();
        canvas.polylines(strokes.iter().map(|ends| &ends[..]), line, clip);
        let note = if count == 1 {
            "1 value is not finite".to_owned()
        } else {
            format!("{count} values are not finite")
        };
        let width = letters::width(&note, LABEL_SIZE);
        let ground = Area {
            left: area.right() - width - 12.0,
            top: area.top + 4.0,
            width: width + 10.0,
            height: 20.0,
        };
        canvas.fill(ground, WHITE);
        canvas.words(
            &note,
            level(ground.center(), Align::Middle, LABEL_SIZE, ALERT),
        );
    }
}

fn whole_range(trace: &Trace) -> Option<[f64; 2]> {
    trace::range(trace.points().map(|[_, value]| value))
}
