//! A confusion matrix for spreadsheets.

use std::borrow::Cow;

use super::ConfusionMatrix;

impl ConfusionMatrix {
    /// The pixel counts as CSV (RFC 4180, with line feeds): one line for each true class, one column for
    /// each predicted one, both with their names. A class without a name is called by its id.
    ///
    /// ```
    /// use upernet_data::{pixels::LabelMap, scores::ConfusionMatrix};
    ///
    /// let mut matrix = ConfusionMatrix::new(2)?;
    /// let map = |labels: [u16; 3]| LabelMap::new([1, 3], labels.to_vec());
    /// matrix.add(&map([0, 0, 1])?, &map([0, 1, 1])?)?;
    /// let names = ["sky", "car, parked"].map(String::from);
    /// assert_eq!(matrix.csv(&names), "truth,sky,\"car, parked\"\nsky,1,1\n\"car, parked\",0,1\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn csv(&self, class_names: &[String]) -> String {
        let name = |class: usize| {
            let name = class_names.get(class);
            name.map_or_else(|| class.to_string().into(), |name| field(name))
        };
        let names: Vec<Cow<'_, str>> = (0..self.num_labels()).map(name).collect();
        let mut text = format!("truth,{}\n", names.join(","));
        for (name, row) in names.iter().zip(self.rows()) {
            text.push_str(name);
            for pixels in row {
                text.push(',');
                text.push_str(&pixels.to_string());
            }
            text.push('\n');
        }
        text
    }
}

/// Text as one field, in quotes where it would be taken for more.
fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_add_cells() {
        let matrix = ConfusionMatrix::new(3).unwrap();
        let names = ["a\"b".to_owned(), "c\nd".to_owned()];
        assert_eq!(
            matrix.csv(&names),
            "truth,\"a\"\"b\",\"c\nd\",2\n\"a\"\"b\",0,0,0\n\"c\nd\",0,0,0\n2,0,0,0\n"
        );
    }
}
