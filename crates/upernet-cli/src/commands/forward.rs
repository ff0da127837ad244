//! `forward`: tensors in, everything the network computes out.

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use upernet::{
    burn::tensor::{Device, Int, Tensor, TensorData},
    head::PreparedUperNet,
    hf::{
        Overwrite,
        config::HfConfig,
        weights::{Dtype, SafetensorsFile, TensorInfo, write_safetensors},
    },
    nn::resize_bilinear,
    zoo::{Model, check_input},
};

use crate::{
    cli::{ForwardArgs, PrecisionName},
    console::Console,
    failure::Failure,
    interrupt,
    model::{Chosen, load_network, load_prepared, open_folder},
    precision,
};

const PIXEL_VALUES: &str = "pixel_values";
const LABELS: &str = "labels";

pub(crate) fn run(args: &ForwardArgs, console: Console) -> Result<(), Failure> {
    check_output(&args.output, args.force)?;
    let mut chosen = Chosen::open(&args.device.device)?;
    let input = SafetensorsFile::open(&args.input)?;
    let folder = open_folder(&args.model, console)?;
    let input = Input::read(&args.input, &input, &folder.config)?;
    if input.labels.is_some() && args.precision.precision != PrecisionName::F32 {
        return Err(Failure::Usage(format!(
            "{}: with labels, the network computes as in training, in f32; leave --precision out",
            args.input.display()
        )));
    }
    let Input {
        pixel_values,
        labels,
    } = input;
    let results = if let Some(labels) = labels {
        let model = load_network(&folder, &chosen, console)?;
        train(&model, pixel_values, labels, &chosen.found.device)?
    } else {
        let precision = precision::choose(args.precision, &chosen.found, console);
        let model = load_prepared(&folder, precision, &chosen, console)?;
        infer(&model, pixel_values, &chosen.found.device)?
    };
    write(&args.output, &results, args.force)?;
    chosen.announce(console);
    for (name, result) in &results {
        console.detail(&format!("{name}: {:?}", result.info.shape()));
    }
    Ok(())
}

/// Refuses before any work is done what would be refused after it.
pub(super) fn check_output(output: &Path, force: bool) -> Result<(), Failure> {
    let refuse = |problem: &str| Failure::Failed(format!("{}: {problem}", output.display()));
    match fs::symlink_metadata(output) {
        Ok(found) if !found.is_file() && !found.is_symlink() => {
            Err(refuse("is not a regular file and will not be replaced"))
        }
        Ok(_) if !force => Err(refuse("already exists; use --force to replace it")),
        _ => match output.parent() {
            Some(folder) if folder != Path::new("") && !folder.is_dir() => {
                Err(refuse("its folder does not exist"))
            }
            _ => Ok(()),
        },
    }
}

/// What the network is given, checked.
struct Input {
    pixel_values: TensorData,
    labels: Option<TensorData>,
}

impl Input {
    fn read(path: &Path, file: &SafetensorsFile, config: &HfConfig) -> Result<Self, Failure> {
        let wrong = |problem: String| Failure::BadData(format!("{}: {problem}", path.display()));
        let shape = expect::<4>(
            file,
            PIXEL_VALUES,
            Dtype::F32,
            "[N, channels, height, width]",
        )
        .map_err(wrong)?;
        check_input(config, shape).map_err(|error| wrong(format!("{PIXEL_VALUES}: {error}")))?;
        let labels = match file.info(LABELS) {
            None => None,
            Some(_) => Some(read_labels(file, shape, config).map_err(wrong)?),
        };
        let pixel_values = file
            .read_f32(PIXEL_VALUES)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            pixel_values: TensorData::new(pixel_values, shape),
            labels,
        })
    }
}

/// Returns the shape of a tensor that must be there with that type and rank.
fn expect<const D: usize>(
    file: &SafetensorsFile,
    name: &str,
    dtype: Dtype,
    axes: &str,
) -> Result<[usize; D], String> {
    let info = file
        .info(name)
        .ok_or_else(|| format!("holds no tensor \"{name}\"; expected {dtype} {axes}"))?;
    match <[usize; D]>::try_from(info.shape()) {
        Ok(shape) if info.dtype() == dtype => Ok(shape),
        _ => {
            let (found, shape) = (info.dtype(), info.shape());
            Err(format!(
                "tensor \"{name}\" is {found} {shape:?}; expected {dtype} {axes}"
            ))
        }
    }
}

fn read_labels(
    file: &SafetensorsFile,
    [batch, _, height, width]: [usize; 4],
    config: &HfConfig,
) -> Result<TensorData, String> {
    let shape = expect::<3>(file, LABELS, Dtype::I64, "[N, height, width]")?;
    if shape != [batch, height, width] {
        return Err(format!(
            "tensor \"{LABELS}\" has the shape {shape:?}; \"{PIXEL_VALUES}\" needs \
             {:?}",
            [batch, height, width]
        ));
    }
    if config.num_labels() == 1 {
        return Err(format!(
            "tensor \"{LABELS}\" cannot be used: the model has one class, so the loss says nothing \
             (a softmax over one class is always 1); leave the labels out"
        ));
    }
    let labels = file.read_i64(LABELS).map_err(|error| error.to_string())?;
    let ignored = config.loss_ignore_index;
    let known = |label: i64| {
        label == ignored || usize::try_from(label).is_ok_and(|label| label < config.num_labels())
    };
    if let Some(index) = labels.iter().position(|&label| !known(label)) {
        let position = [
            index / (height * width),
            index / width % height,
            index % width,
        ];
        return Err(format!(
            "tensor \"{LABELS}\" has {} at {position:?}; labels are 0 to {}, or {ignored} for pixels \
             that do not count",
            labels[index],
            config.num_labels() - 1,
        ));
    }
    Ok(TensorData::new(labels, shape))
}

/// A tensor to write.
struct Output {
    info: TensorInfo,
    values: Vec<f32>,
}

/// Everything that inference computes.
fn infer(
    model: &PreparedUperNet,
    pixel_values: TensorData,
    device: &Device,
) -> Result<BTreeMap<String, Output>, Failure> {
    let pixel_values = Tensor::<4>::from_data(pixel_values, device);
    let [_, _, height, width] = pixel_values.dims();
    let mut results = Results::default();
    let features = model.backbone().forward(pixel_values);
    let decode_logits = model.decode_head().forward(features.clone());
    results.add_features(features.into_maps())?;
    results.add("decode_logits", decode_logits.clone())?;
    results.add("logits", resize_bilinear(decode_logits, [height, width]))?;
    Ok(results.tensors)
}

/// Everything that training computes on the way to the loss, and the loss.
fn train(
    model: &Model,
    pixel_values: TensorData,
    labels: TensorData,
    device: &Device,
) -> Result<BTreeMap<String, Output>, Failure> {
    let pixel_values = Tensor::<4>::from_data(pixel_values, device);
    let labels = Tensor::<3, Int>::from_data(labels, device);
    let mut results = Results::default();
    let output = model.forward_with_labels(pixel_values, labels);
    results.add_features(output.features.into_maps())?;
    results.add("decode_logits", output.decode_logits)?;
    results.add("logits", output.logits)?;
    if let Some(aux_logits) = output.aux_logits {
        results.add("aux_logits", aux_logits)?;
    }
    results.add_shaped("loss", output.loss, Vec::new())?;
    Ok(results.tensors)
}

#[derive(Default)]
struct Results {
    tensors: BTreeMap<String, Output>,
}

impl Results {
    fn add_features(&mut self, maps: Vec<Tensor<4>>) -> Result<(), Failure> {
        maps.into_iter()
            .enumerate()
            .try_for_each(|(level, map)| self.add(&format!("feature.{level}"), map))
    }

    fn add<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Result<(), Failure> {
        let shape = tensor.dims().to_vec();
        self.add_shaped(name, tensor, shape)
    }

    /// Adds a tensor under another shape of as many elements: burn knows no scalars.
    fn add_shaped<const D: usize>(
        &mut self,
        name: &str,
        tensor: Tensor<D>,
        shape: Vec<usize>,
    ) -> Result<(), Failure> {
        let failed = |message: String| Failure::Failed(format!("the device failed: {message}"));
        let values = tensor
            .try_into_vec_as::<f32>()
            .map_err(|error| failed(error.to_string()))?;
        let info = TensorInfo::new(Dtype::F32, shape).map_err(|error| failed(error.to_string()))?;
        self.tensors
            .insert(name.to_owned(), Output { info, values });
        Ok(())
    }
}

fn write(path: &Path, results: &BTreeMap<String, Output>, force: bool) -> Result<(), Failure> {
    let _whole = interrupt::writing();
    let overwrite = if force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    };
    let infos = results
        .iter()
        .map(|(name, result)| (name.clone(), result.info.clone()))
        .collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(path, &infos, &metadata, overwrite, |name| {
        let values = results[name].values.iter();
        Ok(Cow::Owned(
            values.flat_map(|value| value.to_le_bytes()).collect(),
        ))
    })?;
    Ok(())
}
