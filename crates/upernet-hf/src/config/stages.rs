//! Which stages of a backbone become feature maps: `out_features` and `out_indices`.

use serde_json::Value;

use crate::{
    config::{
        ConfigError,
        fields::{Fields, wrong_type},
        limits::MAX_STAGES,
    },
    error::quoted,
};

/// Reads the stages (1 = the first one after the stem) whose maps the backbone returns.
///
/// Both fields may be there and must agree; with neither, it is the last stage alone.
pub(crate) fn out_stages(fields: &Fields<'_>, stages: usize) -> Result<Vec<usize>, ConfigError> {
    let features = read(
        fields,
        "out_features",
        "a list of stage names",
        |field, value| stage_of_name(field, value, stages),
    )?;
    let indices = read(
        fields,
        "out_indices",
        "a list of stage indices",
        |field, value| stage_of_index(field, value, stages),
    )?;
    match (features, indices) {
        (Some(features), Some(indices)) if features != indices => Err(ConfigError::Disagree {
            first: fields.path("out_features"),
            second: fields.path("out_indices"),
            detail: format!("the first names the stages {features:?}, the second {indices:?}"),
        }),
        (Some(chosen), _) | (None, Some(chosen)) => Ok(chosen),
        (None, None) => Ok(vec![stages]),
    }
}

fn read(
    fields: &Fields<'_>,
    name: &str,
    expected: &'static str,
    stage: impl Fn(&str, &Value) -> Result<usize, ConfigError>,
) -> Result<Option<Vec<usize>>, ConfigError> {
    let Some(list) = fields.list(name, expected, &(1..=MAX_STAGES))? else {
        return Ok(None);
    };
    let field = fields.path(name);
    let chosen: Vec<usize> = list
        .iter()
        .map(|value| stage(&field, value))
        .collect::<Result<_, _>>()?;
    if !chosen.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(ConfigError::Stages {
            field,
            problem: format!("must name each stage once and in order, found {chosen:?}"),
        });
    }
    Ok(Some(chosen))
}

fn stage_of_name(field: &str, value: &Value, stages: usize) -> Result<usize, ConfigError> {
    let name = value
        .as_str()
        .ok_or_else(|| wrong_type(field, "a list of stage names", value))?;
    if name == "stem" {
        return Err(stem(field));
    }
    (1..=stages)
        .find(|stage| name == format!("stage{stage}"))
        .ok_or_else(|| ConfigError::Stages {
            field: field.into(),
            problem: format!(
                "names {}, the stages are stage1 to stage{stages}",
                quoted(name)
            ),
        })
}

fn stage_of_index(field: &str, value: &Value, stages: usize) -> Result<usize, ConfigError> {
    let index = value.as_i64();
    let index = index.ok_or_else(|| wrong_type(field, "a list of stage indices", value))?;
    // The stem has index 0, so a negative index counts back from stages + 1 names.
    let names = i64::try_from(stages).expect("a bounded stage count fits") + 1;
    match if index < 0 {
        index.saturating_add(names)
    } else {
        index
    } {
        0 => Err(stem(field)),
        stage if (1..names).contains(&stage) => {
            Ok(usize::try_from(stage).expect("it was just found to be positive"))
        }
        _ => Err(ConfigError::Stages {
            field: field.into(),
            problem: format!("holds the index {index}, the stages are 1 to {stages}"),
        }),
    }
}

fn stem(field: &str) -> ConfigError {
    ConfigError::Unsupported {
        field: field.into(),
        found: "stem".into(),
        hint: "feature maps come from stage1 on".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::out_stages;
    use crate::config::fields::Fields;

    fn stages_of(value: &Value) -> Result<Vec<usize>, String> {
        let fields = Fields::top(value).expect("the case is an object");
        out_stages(&fields, 4).map_err(|error| error.to_string())
    }

    #[test]
    fn names_indices_and_negative_indices_mean_the_same() {
        for value in [
            json!({"out_features": ["stage2", "stage4"]}),
            json!({"out_indices": [2, 4]}),
            json!({"out_indices": [-3, -1]}),
            json!({"out_features": ["stage2", "stage4"], "out_indices": [2, -1]}),
        ] {
            assert_eq!(stages_of(&value), Ok(vec![2, 4]), "{value}");
        }
    }

    #[test]
    fn neither_means_the_last_stage() {
        assert_eq!(stages_of(&json!({})), Ok(vec![4]));
        assert_eq!(
            stages_of(&json!({"out_features": null, "out_indices": null})),
            Ok(vec![4])
        );
    }

    #[test]
    fn each_wrong_choice_is_named() {
        for (value, message) in [
            (
                json!({"out_features": ["stage5"]}),
                "field `out_features` names \"stage5\", the stages are stage1 to stage4",
            ),
            (
                json!({"out_features": ["stage2", "stage2"]}),
                "field `out_features` must name each stage once and in order, found [2, 2]",
            ),
            (
                json!({"out_features": ["stage3", "stage2"]}),
                "field `out_features` must name each stage once and in order, found [3, 2]",
            ),
            (
                json!({"out_features": []}),
                "field `out_features` is a list of 0, allowed is a length of 1 to 8",
            ),
            (
                json!({"out_indices": [-6]}),
                "field `out_indices` holds the index -6, the stages are 1 to 4",
            ),
            (
                json!({"out_indices": [i64::MIN]}),
                "field `out_indices` holds the index -9223372036854775808, the stages are 1 to 4",
            ),
            (
                json!({"out_indices": [0, 1]}),
                "field `out_indices` asks for \"stem\", which is not supported; \
                 feature maps come from stage1 on",
            ),
            (
                json!({"out_features": ["stage1"], "out_indices": [2]}),
                "fields `out_features` and `out_indices` disagree: \
                 the first names the stages [1], the second [2]",
            ),
        ] {
            assert_eq!(stages_of(&value), Err(message.to_owned()));
        }
    }
}
