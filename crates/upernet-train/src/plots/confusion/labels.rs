//! What is written around the cells.

use super::{
    super::{
        axis::round_step,
        canvas::{Area, Canvas},
        color::{self, FRAME, INK, MUTED},
        legend::level,
        letters::{self, Align, Turn, Words},
    },
    layout::{LABEL_SIZE, Layout, MARGIN},
    matrix::Matrix,
};

const TITLE_SIZE: f32 = 19.0;

pub(super) fn heading(canvas: &mut Canvas, matrix: &Matrix, width: f32) {
    let anchor = [MARGIN, MARGIN / 2.0 + 18.0];
    canvas.words(
        "confusion matrix",
        level(anchor, Align::Start, TITLE_SIZE, INK),
    );
    let mut note = "percent of the pixels of each true class".to_owned();
    if matrix.left_out > 0 {
        note = format!("{note}; {} later classes are left out", matrix.left_out);
    }
    let note = letters::fitted(&note, LABEL_SIZE, width - 2.0 * MARGIN);
    let anchor = [MARGIN, MARGIN / 2.0 + 42.0];
    canvas.words(&note, level(anchor, Align::Start, LABEL_SIZE, MUTED));
}

/// Writes beside its row and below its column what each class is.
pub(super) fn classes(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    if layout.named {
        names(canvas, matrix, layout);
    } else {
        numbers(canvas, matrix, layout);
    }
}

fn names(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    for (class, name) in matrix.names.iter().enumerate() {
        let row = layout.cells.top + layout.middle(class);
        let anchor = [layout.cells.left - 10.0, row];
        canvas.words(name, level(anchor, Align::End, LABEL_SIZE, INK));
        let column = layout.cells.left + layout.middle(class);
        let words = Words {
            anchor: [column + 4.0, layout.cells.bottom() + 12.0],
            align: Align::End,
            turn: Turn::Slanted,
            size: LABEL_SIZE,
            color: INK,
        };
        canvas.words(name, words);
    }
}

fn numbers(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    let every = steps(round_step(f64::from(44.0 / layout.cell)));
    for class in (0..matrix.names.len()).step_by(every) {
        let label = class.to_string();
        let middle = layout.middle(class);
        let row = [layout.cells.left - 12.0, layout.cells.top + middle];
        canvas.words(&label, level(row, Align::End, LABEL_SIZE, MUTED));
        let column = [layout.cells.left + middle, layout.cells.bottom() + 17.0];
        canvas.words(&label, level(column, Align::Middle, LABEL_SIZE, MUTED));
        let across = Area {
            left: layout.cells.left - 7.0,
            top: (row[1]).floor(),
            width: 5.0,
            height: 1.0,
        };
        canvas.fill(across, FRAME);
        let upwards = Area {
            left: column[0].floor(),
            top: layout.cells.bottom() + 2.0,
            width: 1.0,
            height: 5.0,
        };
        canvas.fill(upwards, FRAME);
    }
}

pub(super) fn axis_titles(canvas: &mut Canvas, layout: &Layout) {
    let [column, row] = layout.cells.center();
    let left = Words {
        anchor: [MARGIN + 6.0, row],
        align: Align::Middle,
        turn: Turn::Upwards,
        size: LABEL_SIZE,
        color: MUTED,
    };
    canvas.words("true class", left);
    let anchor = [column, layout.height - MARGIN];
    canvas.words(
        "predicted class",
        level(anchor, Align::Middle, LABEL_SIZE, MUTED),
    );
}

pub(super) fn bar(canvas: &mut Canvas, layout: &Layout) {
    let bar = layout.bar;
    let mut row = 0.0;
    while row < bar.height {
        let line = Area {
            top: bar.top + row,
            height: 1.0,
            ..bar
        };
        canvas.fill(line, color::share_color(1.0 - row / (bar.height - 1.0)));
        row += 1.0;
    }
    let mut below = bar.bottom();
    for percent in [0.0_f32, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0] {
        let height = (percent / 100.0).sqrt() * (bar.height - 1.0);
        let row = bar.top + bar.height - 1.0 - height;
        let mark = Area {
            left: bar.right() + 2.0,
            top: row,
            width: 5.0,
            height: 1.0,
        };
        canvas.fill(mark, FRAME);
        // The numbers of a short bar would run into one another.
        if percent > 0.0 && below - row < LABEL_SIZE + 2.0 {
            continue;
        }
        below = row;
        let words = level([bar.right() + 12.0, row], Align::Start, LABEL_SIZE, MUTED);
        canvas.words(&format!("{percent}"), words);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small whole number of classes"
)]
fn steps(count: f64) -> usize {
    count.round().max(1.0) as usize
}
