//! From what the command line names to photos: files, folders and patterns.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// What the names of photos end in, for folders.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif"];

/// Finds the photos that `inputs` name, in their order, those of a folder or pattern by name.
///
/// A path that is neither there nor a pattern is kept: reading it fails with the right words.
pub(super) fn find(inputs: &[PathBuf], recursive: bool) -> Result<Vec<PathBuf>, Failure> {
    let mut photos = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let before = photos.len();
            list(input, recursive, &mut photos)?;
            if photos.len() == before {
                let hint = if recursive {
                    ""
                } else {
                    " (--recursive looks in its folders too)"
                };
                let message = format!("{}: holds no photos{hint}", input.display());
                return Err(Failure::NotFound(message));
            }
        } else if !input.exists()
            && let Some(pattern) = input.to_str().filter(|text| text.contains(['*', '?', '[']))
        {
            photos.extend(matches(pattern)?);
        } else {
            photos.push(input.clone());
        }
    }
    Ok(photos)
}

/// Appends the photos of a folder, sorted by name, those of inner folders after its own.
fn list(folder: &Path, recursive: bool, photos: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        Failure::Failed(format!("{}: cannot be listed: {error}", folder.display()))
    };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Links to folders are not followed, so there are no circles.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            folders.push(path);
        } else if is_photo(&path) {
            files.push(path);
        }
    }
    files.sort_unstable();
    photos.append(&mut files);
    if recursive {
        folders.sort_unstable();
        folders
            .iter()
            .try_for_each(|inner| list(inner, recursive, photos))?;
    }
    Ok(())
}

fn is_photo(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) && path.is_file()
}

/// The files that match a pattern; the caller asked for them, so whatever they are called.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let paths = glob::glob(pattern)
        .map_err(|error| Failure::Usage(format!("{pattern}: is no pattern: {}", error.msg)))?;
    let mut photos = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let (folder, cause) = (error.path().display(), error.error());
            Failure::Failed(format!("{folder}: cannot be listed: {cause}"))
        })?;
        if !path.is_dir() {
            photos.push(path);
        }
    }
    if photos.is_empty() {
        return Err(Failure::NotFound(format!("{pattern}: no file matches")));
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(photos: &[PathBuf], root: &Path) -> Vec<String> {
        let name = |photo: &PathBuf| {
            photo
                .strip_prefix(root)
                .expect("inside")
                .display()
                .to_string()
        };
        photos.iter().map(name).collect()
    }

    #[test]
    fn folders_are_listed_by_extension_and_in_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        fs::create_dir(root.join("inner")).expect("new");
        fs::create_dir(root.join("trap.jpg")).expect("new");
        for name in [
            "b.PNG",
            "a.jpg",
            "notes.txt",
            ".hidden.jpg",
            "none",
            "inner/c.tiff",
        ] {
            fs::write(root.join(name), "").expect("writable");
        }
        let inputs = [root.to_owned()];
        assert_eq!(
            names(&find(&inputs, false).expect("photos"), root),
            ["a.jpg", "b.PNG"]
        );
        let all = find(&inputs, true).expect("photos");
        assert_eq!(names(&all, root), ["a.jpg", "b.PNG", "inner/c.tiff"]);
    }

    #[test]
    fn patterns_take_any_file_and_missing_paths_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        for name in ["a.jpg", "b.data", "[x].png"] {
            fs::write(root.join(name), "").expect("writable");
        }
        let inputs = ["*.data", "[x].png", "gone.jpg"].map(|name| root.join(name));
        let photos = find(&inputs, false).expect("photos");
        assert_eq!(names(&photos, root), ["b.data", "[x].png", "gone.jpg"]);
        let none = find(&[root.join("*.webp")], false)
            .expect_err("no match")
            .to_string();
        assert!(none.ends_with("*.webp: no file matches"), "{none}");
    }

    #[test]
    fn a_folder_without_photos_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = find(&[folder.path().to_owned()], false).expect_err("no photos");
        assert!(error.to_string().contains("--recursive"), "{error}");
    }
}
