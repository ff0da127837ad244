//! The files of one photo: all of them or none.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use upernet::{
    Prediction,
    hf::weights::{Dtype, TensorInfo, safetensors_header},
    pixels::{self, Overwrite, write_atomically},
};

use super::plan::Work;
use crate::{cli::SegmentArgs, failure::Failure, interrupt};

/// The folder for results; made for the first of them, and taken away if it then stays empty.
#[derive(Debug)]
pub(super) struct OutFolder<'a> {
    path: &'a Path,
    /// Folders that were made, the outermost first.
    made: Vec<PathBuf>,
}

impl<'a> OutFolder<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self {
            path,
            made: Vec::new(),
        }
    }

    /// Writes the files of a photo, the mask last.
    ///
    /// Files that are there are replaced with `--force`, kept with `--skip-existing`, and otherwise an
    /// error: somebody has put them there since they were looked for.
    pub(super) fn write(
        &mut self,
        work: &Work<'_>,
        args: &SegmentArgs,
        mask: &[u8],
        overlay: &[u8],
        prediction: Option<&Prediction>,
    ) -> Result<(), Failure> {
        let _whole = interrupt::writing();
        self.make()?;
        let mut parts: Vec<Part<'_>> = Vec::new();
        if let (Some(logits), Some(prediction)) = (&work.logits, prediction) {
            let fill = |file: &mut dyn Write| write_logits(file, prediction);
            parts.push(Part {
                path: logits,
                fill: Box::new(fill),
            });
        }
        parts.push(Part {
            path: &work.overlay,
            fill: Box::new(|file| file.write_all(overlay)),
        });
        parts.push(Part {
            path: &work.mask,
            fill: Box::new(|file| file.write_all(mask)),
        });
        if args.skip_existing {
            // An interrupted run may have left some of a photo's files.
            parts.retain(|part| fs::symlink_metadata(part.path).is_err());
        }
        let overwrite = if args.force {
            Overwrite::Replace
        } else {
            Overwrite::Refuse
        };
        Ok(write_parts(&mut parts, overwrite)?)
    }

    fn make(&mut self) -> Result<(), Failure> {
        if self.path.is_dir() {
            return Ok(());
        }
        let missing = self
            .path
            .ancestors()
            .take_while(|path| *path != Path::new("") && fs::symlink_metadata(path).is_err());
        self.made = missing.map(Path::to_owned).collect();
        self.made.reverse();
        fs::create_dir_all(self.path).map_err(|source| {
            pixels::Error::Write {
                path: self.path.to_owned(),
                source,
            }
            .into()
        })
    }
}

impl Drop for OutFolder<'_> {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // Only an empty folder can be removed this way; any other is there to stay.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// What writes a file's content.
type Fill<'a> = Box<dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a>;

/// A file to write.
struct Part<'a> {
    path: &'a Path,
    fill: Fill<'a>,
}

/// Writes all parts to temporary files before the first gets its name; the last gets its name last.
fn write_parts(parts: &mut [Part<'_>], overwrite: Overwrite) -> Result<(), pixels::Error> {
    let Some((last, before)) = parts.split_last_mut() else {
        return Ok(());
    };
    let mut failed_before = None;
    let written = write_atomically(last.path, overwrite, |file| {
        (last.fill)(file)?;
        file.flush()?;
        write_parts(before, overwrite).map_err(|error| {
            failed_before = Some(error);
            io::Error::other("another file of the same photo could not be written")
        })
    });
    failed_before.map_or(written, Err)
}

/// Streams the logits at the photo's size, which as a whole may not fit in memory.
fn write_logits(file: &mut dyn Write, prediction: &Prediction) -> io::Result<()> {
    let [height, width] = prediction.photo_size();
    let [num_labels, _, _] = prediction.shape();
    let info = TensorInfo::new(Dtype::F32, vec![num_labels, height, width]);
    let info = info.map_err(io::Error::other)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    file.write_all(&safetensors_header(&[("logits", &info)], &metadata))?;
    prediction.stream_logits(|piece| {
        if interrupt::is_pending() {
            return Err(io::Error::other("interrupted"));
        }
        let bytes: Vec<u8> = piece.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write_all(&bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(path: &'a Path, content: &'a str) -> Part<'a> {
        Part {
            path,
            fill: Box::new(move |file| file.write_all(content.as_bytes())),
        }
    }

    #[test]
    fn parts_appear_together() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        write_parts(&mut [part(&a, "1"), part(&b, "2")], Overwrite::Refuse).expect("writable");
        assert_eq!(fs::read_to_string(&b).expect("written"), "2");
        write_parts(&mut [part(&a, "3")], Overwrite::Replace).expect("may be replaced");
        assert_eq!(fs::read_to_string(&a).expect("written"), "3");
    }

    #[test]
    fn one_part_that_fails_takes_the_others_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        let full = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::StorageFull));
        let broken = Part {
            path: &b,
            fill: Box::new(full),
        };
        let mut parts = [part(&a, "1"), broken, part(&c, "3")];
        let error = write_parts(&mut parts, Overwrite::Refuse).expect_err("the disk is full");
        assert!(
            error.to_string().contains("b: cannot be written"),
            "{error}"
        );
        assert_eq!(
            fs::read_dir(folder.path()).expect("a folder").count(),
            0,
            "files left"
        );
    }

    #[test]
    fn a_folder_made_for_nothing_is_taken_away() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/inner");
        let mut out = OutFolder::new(&path);
        out.make().expect("can be made");
        drop(out);
        assert_eq!(
            fs::read_dir(folder.path()).expect("a folder").count(),
            0,
            "folders left"
        );

        let mut out = OutFolder::new(&path);
        out.make().expect("can be made");
        fs::write(path.join("mask.png"), "").expect("writable");
        drop(out);
        assert!(path.join("mask.png").exists());
    }
}
