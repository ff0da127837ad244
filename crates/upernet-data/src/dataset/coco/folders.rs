//! Where COCO files and their photos are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CocoFile;
use crate::Error;
use crate::dataset::annotation::Annotation;
use crate::dataset::files::{Listing, direct_files, has_extension, peek, subfolders};
use crate::dataset::pairs::{Entry, LonelyLabels, Pairs, key_of};
use crate::dataset::photos::Photos;
use crate::dataset::{Contents, DatasetOptions, LabelTable, Official, SplitFiles};

/// What Roboflow calls the file of each split, inside the split's folder.
const ROBOFLOW: &str = "_annotations.coco.json";

/// Says which files are there, if any.
pub(crate) fn detect(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    let files = instance_files(root, options)?;
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let pictures = || Ok::<bool, Error>(!Listing::pictures(root)?.files.is_empty());
    Ok((!names.is_empty() && pictures()?).then(|| format!("{} with pictures", names.join(", "))))
}

/// Reads all files and finds their photos.
pub(crate) fn read(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let photos = Photos::below(
        &options
            .images
            .as_ref()
            .map_or(root.to_path_buf(), |images| root.join(images)),
    )?;
    let mut contents = Contents::default();
    let mut categories: Option<(PathBuf, Vec<String>)> = None;
    for name in instance_files(root, options)? {
        let file = Arc::new(CocoFile::read(&root.join(&name))?);
        let found = file.category_names();
        match &categories {
            None => categories = Some((name.clone(), found)),
            Some((other, expected)) if *expected != found => {
                return Err(Error::Invalid {
                    path: root.join(&name),
                    problem: format!(
                        "has other categories than {}; export both from one project",
                        other.display()
                    ),
                });
            }
            Some(_) => {}
        }
        let split = split_name(&name);
        let pairs = pairs(&file, &photos, &places(&name, &split));
        contents.splits.push(SplitFiles { name: split, pairs });
    }
    contents.official = categories.map(|(name, found)| Official {
        table: LabelTable {
            classes: with_background(found),
            ..LabelTable::default()
        },
        origin: format!("categories of {}", name.display()),
    });
    Ok(contents)
}

/// Puts `background` first, for what no shape covers, unless it is there under this name.
pub(crate) fn with_background(mut names: Vec<String>) -> Vec<String> {
    if !names
        .iter()
        .any(|name| name == "background" || name == "_background_")
    {
        names.insert(0, "background".to_owned());
    }
    names
}

/// Instance files relative to the folder: the chosen one, or those in the usual places.
fn instance_files(root: &Path, options: &DatasetOptions) -> Result<Vec<PathBuf>, Error> {
    if let Some(chosen) = &options.masks
        && root.join(chosen).is_file()
    {
        return Ok(vec![chosen.clone()]);
    }
    let mut folders = vec![PathBuf::new()];
    folders.extend(options.masks.clone().or(Some(PathBuf::from("annotations"))));
    let mut files = Vec::new();
    for folder in folders
        .into_iter()
        .filter(|folder| root.join(folder).is_dir())
    {
        for name in direct_files(&root.join(&folder))? {
            let file = folder.join(name);
            if is_instance_file(&root.join(&file))? {
                files.push(file);
            }
        }
    }
    for folder in subfolders(root)? {
        let file = Path::new(&folder).join(ROBOFLOW);
        if root.join(&file).is_file() {
            files.push(file);
        }
    }
    // Beside the instances lie captions and key points of the same photos.
    let is_instances = |file: &PathBuf| {
        file.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("instances_"))
    };
    if files.iter().any(is_instances) {
        files.retain(is_instances);
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Looks at how a file begins: at least one of COCO's sections, and nothing of Labelme's.
fn is_instance_file(path: &Path) -> Result<bool, Error> {
    if !has_extension(path, &["json"]) {
        return Ok(false);
    }
    let start = peek(path)?;
    let has = |key: &str| start.contains(&format!("\"{key}\""));
    Ok(["images", "annotations", "categories", "licenses"]
        .into_iter()
        .any(has)
        && !has("shapes")
        && !has("imagePath"))
}

fn split_name(file: &Path) -> String {
    let key = key_of(file);
    let name = key.rsplit('/').next().unwrap_or(&key);
    if file.ends_with(ROBOFLOW) {
        return key.split('/').next().unwrap_or("all").to_owned();
    }
    name.strip_prefix("instances_").unwrap_or(name).to_owned()
}

/// Folders where the photos of a split may be, the likeliest first.
fn places(file: &Path, split: &str) -> Vec<String> {
    let own = file
        .parent()
        .map(|folder| key_of(&folder.join("x")))
        .unwrap_or_default();
    let own = own.strip_suffix('x').unwrap_or_default().to_owned();
    vec![
        own,
        format!("images/{split}/"),
        format!("{split}/"),
        "images/".to_owned(),
        String::new(),
    ]
}

fn pairs(file: &Arc<CocoFile>, photos: &Photos, places: &[String]) -> Pairs {
    let mut pairs = Pairs::default();
    for (image, listed) in file.images.iter().enumerate() {
        match photos.find(&listed.file_name, places) {
            Some(path) => pairs.entries.push(Entry {
                name: key_of(Path::new(&listed.file_name)),
                image: path.to_path_buf(),
                annotation: Annotation::Coco {
                    file: Arc::clone(file),
                    image,
                },
            }),
            None => pairs.lonely_labels.push(LonelyLabels {
                file: file.path().to_path_buf(),
                photo: listed.file_name.clone(),
            }),
        }
    }
    pairs
}
