//! What goes to stderr: errors, notes, details and progress bars, as loud as `-q` and `-v` say.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{cli::Verbosity, output::one_line};

/// The way to stderr. Results go to stdout, through [`crate::output`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self {
            quiet: verbosity.quiet,
            verbose: verbosity.verbose,
        }
    }

    /// Whether `-v` was given.
    pub(crate) fn is_verbose(self) -> bool {
        self.verbose
    }

    /// One line on what went wrong; `-q` does not silence it.
    #[expect(
        clippy::unused_self,
        reason = "every line to stderr goes through a console"
    )]
    pub(crate) fn error(self, message: &str) {
        line(&format!("error: {message}"));
    }

    /// One line on a choice that was made for the caller.
    pub(crate) fn note(self, message: &str) {
        if !self.quiet {
            line(message);
        }
    }

    /// One line for those who asked for more.
    pub(crate) fn detail(self, message: &str) {
        if self.verbose {
            line(message);
        }
    }

    /// A bar over bytes, whose total is set when it is known.
    pub(crate) fn bytes_bar(self) -> ProgressBar {
        self.bar("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
    }

    /// A bar over a share from 0 to 1000.
    pub(crate) fn share_bar(self, message: &'static str) -> ProgressBar {
        let bar = self.bar("{msg} {wide_bar} {percent} %");
        bar.set_length(1000);
        bar.set_message(message);
        bar
    }

    /// A bar over images.
    pub(crate) fn images_bar(self, images: usize, message: String) -> ProgressBar {
        let bar = self.bar("{msg} {wide_bar} {pos}/{len}, {eta} left");
        bar.set_length(images as u64);
        bar.set_message(message);
        bar
    }

    /// A bar over runs of a benchmark; it moves between runs only, so it takes no time of theirs.
    pub(crate) fn runs_bar(self, runs: u64) -> ProgressBar {
        let bar = self.bar("measuring {wide_bar} {pos}/{len}, {eta} left");
        bar.set_length(runs);
        bar
    }

    /// A bar over steps of training, whose number is set when it is known.
    pub(crate) fn steps_bar(self) -> ProgressBar {
        self.bar("{msg} {wide_bar} {pos}/{len} steps, {eta} left")
    }

    /// Bars show on a terminal alone: indicatif hides them elsewhere.
    fn bar(self, template: &str) -> ProgressBar {
        let target = if self.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        ProgressBar::with_draw_target(None, target).with_style(style)
    }
}

/// Writes one line. A closed stderr leaves nobody to tell.
fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{}", one_line(text));
}
