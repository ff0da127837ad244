//! Which stages of a backbone become feature maps: `out_features` and `out_indices`.

use serde_json::{Value, json};

use crate::{
    config::{
        ConfigError,
        fields::{Fields, wrong_type},
        limits::MAX_STAGES,
    },
    error::quoted,
};

/// How `stage_names` begin, and so what `out_indices` count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageNames {
    /// `stem`, `stage1`, ...: the first stage has index 1.
    AfterStem,
    /// `stage1`, ...: the first stage has index 0.
    WithoutStem,
}

/// Reads the stages (1 = the first one after the stem) whose maps a backbone with a stem returns.
///
/// Both fields may be there and must agree; with neither, it is the last stage alone. `stages` is how
/// many there are, which the caller has bounded.
pub(crate) fn out_stages(fields: &Fields<'_>, stages: usize) -> Result<Vec<usize>, ConfigError> {
    StageNames::AfterStem.out_stages(fields, stages)
}

impl StageNames {
    /// The same as [`out_stages`], of a backbone that names its stages so.
    pub(crate) fn out_stages(
        self,
        fields: &Fields<'_>,
        stages: usize,
    ) -> Result<Vec<usize>, ConfigError> {
        let features = read(
            fields,
            "out_features",
            "a list of stage names",
            stages,
            |field, value| self.stage_of_name(field, value, stages),
        )?;
        let indices = read(
            fields,
            "out_indices",
            "a list of stage indices",
            stages,
            |field, value| self.stage_of_index(field, value, stages),
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

    /// The fields `stage_names`, `out_features` and `out_indices`, for so many stages and the chosen
    /// ones among them, from 1.
    pub(crate) fn fields(self, stages: usize, out_stages: &[usize]) -> [(&'static str, Value); 3] {
        let name = |stage: usize| format!("stage{stage}");
        let stem = match self {
            Self::AfterStem => Some("stem".to_owned()),
            Self::WithoutStem => None,
        };
        let names: Vec<_> = stem.into_iter().chain((1..=stages).map(name)).collect();
        let features: Vec<_> = out_stages.iter().map(|&stage| name(stage)).collect();
        let indices = out_stages
            .iter()
            .map(|stage| (stage + self.first_index()).saturating_sub(1));
        [
            ("stage_names", json!(names)),
            ("out_features", json!(features)),
            ("out_indices", indices.collect()),
        ]
    }

    /// The index of the first stage.
    fn first_index(self) -> usize {
        match self {
            Self::AfterStem => 1,
            Self::WithoutStem => 0,
        }
    }

    fn stage_of_name(
        self,
        field: &str,
        value: &Value,
        stages: usize,
    ) -> Result<usize, ConfigError> {
        let name = value
            .as_str()
            .ok_or_else(|| wrong_type(field, "a list of stage names", value))?;
        if name == "stem" && self == Self::AfterStem {
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

    fn stage_of_index(
        self,
        field: &str,
        value: &Value,
        stages: usize,
    ) -> Result<usize, ConfigError> {
        let index = value.as_i64();
        let index = index.ok_or_else(|| wrong_type(field, "a list of stage indices", value))?;
        let first = self.first_index();
        // A negative index counts back from the number of names.
        let names = i64::try_from(stages + first).expect("a bounded stage count fits");
        let place = if index < 0 {
            index.saturating_add(names)
        } else {
            index
        };
        match usize::try_from(place) {
            Ok(0) if self == Self::AfterStem => Err(stem(field)),
            Ok(place) if (first..first + stages).contains(&place) => Ok(place + 1 - first),
            _ => Err(ConfigError::Stages {
                field: field.into(),
                problem: format!(
                    "holds the index {index}, the stages are {first} to {}",
                    first + stages - 1
                ),
            }),
        }
    }
}

fn read(
    fields: &Fields<'_>,
    name: &str,
    expected: &'static str,
    stages: usize,
    stage: impl Fn(&str, &Value) -> Result<usize, ConfigError>,
) -> Result<Option<Vec<usize>>, ConfigError> {
    // A longer list than there are stages names one twice, or one that is not there: that is said below.
    let Some(list) = fields.list(name, expected, &(1..=stages.max(MAX_STAGES)))? else {
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

    use super::{StageNames, out_stages};
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

    #[test]
    fn without_a_stem_the_first_stage_has_index_0() {
        let stages_of = |value: &Value| {
            let fields = Fields::top(value).expect("the case is an object");
            let stages = StageNames::WithoutStem.out_stages(&fields, 3);
            stages.map_err(|error| error.to_string())
        };
        for value in [
            json!({"out_features": ["stage1", "stage3"]}),
            json!({"out_indices": [0, 2]}),
            json!({"out_indices": [-3, -1]}),
        ] {
            assert_eq!(stages_of(&value), Ok(vec![1, 3]), "{value}");
        }
        assert_eq!(stages_of(&json!({})), Ok(vec![3]));
        for (value, message) in [
            (
                json!({"out_indices": [3]}),
                "field `out_indices` holds the index 3, the stages are 0 to 2",
            ),
            (
                json!({"out_indices": [-4]}),
                "field `out_indices` holds the index -4, the stages are 0 to 2",
            ),
            (
                json!({"out_features": ["stem"]}),
                "field `out_features` names \"stem\", the stages are stage1 to stage3",
            ),
        ] {
            assert_eq!(stages_of(&value), Err(message.to_owned()));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for names in [StageNames::AfterStem, StageNames::WithoutStem] {
            let value: Value = names.fields(3, &[1, 3]).into_iter().collect();
            let fields = Fields::top(&value).expect("it is an object");
            assert_eq!(names.out_stages(&fields, 3), Ok(vec![1, 3]));
        }
        let [(_, names), _, (_, indices)] = StageNames::WithoutStem.fields(2, &[2]);
        assert_eq!((names, indices), (json!(["stage1", "stage2"]), json!([1])));
        let [(_, names), _, (_, indices)] = StageNames::AfterStem.fields(2, &[2]);
        assert_eq!(
            (names, indices),
            (json!(["stem", "stage1", "stage2"]), json!([2]))
        );
    }
}
