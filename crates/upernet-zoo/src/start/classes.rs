//! Whether two lists of classes are the same.

/// Characters of a name that a message repeats.
const QUOTED: usize = 40;

/// How the classes differ, in words; `None` if they are the same.
///
/// Case, spaces and marks in names do not count: ADE20K's own list has a `bed ` with a space.
pub(super) fn difference(found: &[String], wanted: &[String]) -> Option<String> {
    if found.len() != wanted.len() {
        let (found, wanted) = (found.len(), wanted.len());
        return Some(format!(
            "the weights are of {found} classes, the network has {wanted}"
        ));
    }
    let mut pairs = found.iter().zip(wanted).enumerate();
    let (id, (found, wanted)) = pairs.find(|(_, (found, wanted))| plain(found) != plain(wanted))?;
    let [found, wanted] = [found, wanted].map(|name| name.chars().take(QUOTED).collect::<String>());
    Some(format!(
        "class {id} is {wanted:?}, in the weights {found:?}"
    ))
}

/// The letters and digits of a name, in lower case; the name itself if it has none.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let plain: String = letters.flat_map(char::to_lowercase).collect();
    if plain.is_empty() {
        name.to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn spelling_is_no_difference() {
        let found = names(&["bed ", "Traffic-Light", "+"]);
        let wanted = names(&["Bed", "traffic light", "+"]);
        assert_eq!(difference(&found, &wanted), None);
    }

    #[test]
    fn the_first_other_class_is_named() {
        let found = names(&["road", "sky", "car"]);
        let swapped = difference(&found, &names(&["road", "car", "sky"]));
        assert_eq!(
            swapped.as_deref(),
            Some("class 1 is \"car\", in the weights \"sky\"")
        );
        let marks = difference(&names(&["+"]), &names(&["-"]));
        assert!(marks.is_some(), "marks alone are names too");
        let long = difference(&names(&[&"x\n".repeat(500)]), &names(&["y"]));
        let long = long.expect("they differ");
        assert!(long.len() < 120 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn counts_are_compared_first() {
        assert_eq!(
            difference(&names(&["a", "b"]), &names(&["c"])).as_deref(),
            Some("the weights are of 2 classes, the network has 1")
        );
    }
}
