//! Lines and dots within a panel.

use super::{
    super::{
        axis::Axis,
        canvas::{Area, Canvas, Line},
        color::{Color, FAINT, FRAME, GRID, MUTED},
        legend::level,
        letters::Align,
        trace::{self, Trace},
    },
    LABEL_SIZE, STEP_TICKS,
};

/// About how many values are written beside a panel.
pub(super) const VALUE_TICKS: f64 = 7.0;
/// Radius of a dot, in pixels.
pub(super) const DOT: f32 = 3.2;

/// Where values are drawn.
pub(super) struct Place<'a> {
    pub(super) area: Area,
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
}

impl Place<'_> {
    /// Draws a line through the values of a series, and a dot for a value between two gaps.
    pub(super) fn curve(&self, canvas: &mut Canvas, trace: &Trace, line: Line) {
        let runs: Vec<Vec<[f32; 2]>> = trace
            .runs
            .iter()
            .map(|run| trace::pixels(run, self.x, self.y))
            .collect();
        let clip = self.area.grown(1.0);
        canvas.polylines(runs.iter().map(Vec::as_slice), line, clip);
        // A line of one point has no length.
        let mut last = [f32::NEG_INFINITY; 2];
        for run in &runs {
            if let [point] = run[..] {
                let near = (0..2).all(|axis| (point[axis] - last[axis]).abs() < 1.0);
                if !near {
                    self.dot(canvas, point, DOT.min(line.width + 1.0), line.color);
                    last = point;
                }
            }
        }
    }

    /// Draws a dot for each value of a series, as long as they do not touch: then they would hide the line.
    pub(super) fn dots(&self, canvas: &mut Canvas, trace: &Trace, color: Color) {
        let mut last = f32::NEG_INFINITY;
        for [step, value] in trace.points() {
            let point = [self.x.position(step), self.y.position(value)];
            if point[0] - last >= 2.0 * DOT {
                self.dot(canvas, point, DOT, color);
                last = point[0];
            }
        }
    }

    /// Draws a line at each tick, and the values beside the panel.
    pub(super) fn grid(&self, canvas: &mut Canvas) {
        for tick in self.y.ticks(VALUE_TICKS) {
            let color = if tick.label.is_empty() { FAINT } else { GRID };
            canvas.fill(self.across(tick.position), color);
            let anchor = [self.area.left - 8.0, tick.position];
            canvas.words(&tick.label, level(anchor, Align::End, LABEL_SIZE, MUTED));
        }
        for tick in self.x.ticks(STEP_TICKS) {
            canvas.fill(self.upwards(tick.position), GRID);
        }
        canvas.fill(self.across(self.area.bottom()), FRAME);
        canvas.fill(self.upwards(self.area.left), FRAME);
    }

    /// Draws a dot, if it lies within the panel.
    fn dot(&self, canvas: &mut Canvas, center: [f32; 2], radius: f32, color: Color) {
        let [_, row] = center;
        if (self.area.top - 1.0..=self.area.bottom() + 1.0).contains(&row) {
            canvas.disc(center, radius, color);
        }
    }

    fn across(&self, row: f32) -> Area {
        Area {
            top: row.floor(),
            height: 1.0,
            ..self.area
        }
    }

    fn upwards(&self, column: f32) -> Area {
        Area {
            left: column.floor(),
            width: 1.0,
            ..self.area
        }
    }
}
