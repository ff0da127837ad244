//! Fine-tuning without a training library: forward, backward, AdamW, a few times on one batch.
//!
//! ```sh
//! cargo run --release -p upernet --example training_step -- MODEL INPUT THREADS STEPS
//! ```
//!
//! INPUT is a safetensors file with `pixel_values`, f32 `[N, 3, H, W]`, and `labels`, i64 `[N, H, W]`.
//! The last line printed is JSON: the seconds that each step took, and its loss.
//! `scripts/bench_training_step.py` runs it beside PyTorch.
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::{collections::HashMap, env, error::Error, path::Path, time::Instant};

use upernet::{
    burn::{
        module::{Module, ModuleMapper, Param, ParamId},
        tensor::{Device, Gradients, Int, Tensor, TensorData},
    },
    hf::{ModelFolder, weights::SafetensorsFile},
    zoo::{Model, load},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, input, threads, steps] = arguments.as_slice() else {
        return Err("usage: training_step MODEL INPUT THREADS STEPS".into());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.parse()?)
        .build_global()?;

    let device = Device::flex();
    let (model, _) = load(&ModelFolder::open(model.as_ref())?, &device)?;
    // From here on gradients are recorded, and batch normalisation follows the batch.
    let mut model = model.train();
    let device = device.autodiff();
    let (pixel_values, labels) = read(input.as_ref(), &device)?;

    let mut optimizer = AdamW::default();
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..steps.parse()? {
        let start = Instant::now();
        let output = model.forward_with_labels(pixel_values.clone(), labels.clone());
        let gradients = output.loss.backward();
        let loss: f32 = output.loss.into_scalar();
        model = optimizer.step(model, gradients);
        seconds.push(start.elapsed().as_secs_f64());
        losses.push(loss);
    }
    println!("{{\"seconds\": {seconds:?}, \"losses\": {losses:?}}}");
    Ok(())
}

fn read(path: &Path, device: &Device) -> Result<(Tensor<4>, Tensor<3, Int>), Box<dyn Error>> {
    let file = SafetensorsFile::open(path)?;
    let shape = |name: &str| {
        let info = file.info(name).ok_or(format!("no tensor {name}"))?;
        Ok::<_, Box<dyn Error>>(info.shape().to_vec())
    };
    let pixels = TensorData::new(file.read_f32("pixel_values")?, shape("pixel_values")?);
    let labels = TensorData::new(file.read_i64("labels")?, shape("labels")?);
    Ok((
        Tensor::from_data(pixels, device),
        Tensor::from_data(labels, device),
    ))
}

/// AdamW. Source: Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (2019),
/// <https://arxiv.org/abs/1711.05101>, algorithm 2.
#[derive(Default)]
struct AdamW {
    steps: i32,
    /// Running means of each parameter's gradient and of its square.
    moments: HashMap<ParamId, [Tensor<1>; 2]>,
}

impl AdamW {
    const LEARNING_RATE: f64 = 6e-5;
    const BETAS: [f64; 2] = [0.9, 0.999];
    const EPSILON: f64 = 1e-8;
    const WEIGHT_DECAY: f64 = 0.01;

    fn step(&mut self, model: Model, gradients: Gradients) -> Model {
        self.steps += 1;
        model.map(&mut Update {
            optimizer: self,
            gradients,
        })
    }

    /// The new value of a parameter.
    fn update<const D: usize>(
        &mut self,
        id: ParamId,
        value: Tensor<D>,
        gradient: Tensor<D>,
    ) -> Tensor<D> {
        let [beta1, beta2] = Self::BETAS;
        let dims = value.dims();
        let gradient = gradient.reshape([-1]);
        let square = gradient.clone() * gradient.clone();
        let (mean, variance) = match self.moments.remove(&id) {
            Some([mean, variance]) => (
                mean * beta1 + gradient * (1.0 - beta1),
                variance * beta2 + square * (1.0 - beta2),
            ),
            None => (gradient * (1.0 - beta1), square * (1.0 - beta2)),
        };
        let unbiased_mean = mean.clone() / (1.0 - beta1.powi(self.steps));
        let deviation = (variance.clone() / (1.0 - beta2.powi(self.steps))).sqrt();
        let direction = unbiased_mean / (deviation + Self::EPSILON);
        self.moments.insert(id, [mean, variance]);
        value * (1.0 - Self::LEARNING_RATE * Self::WEIGHT_DECAY)
            - direction.reshape(dims) * Self::LEARNING_RATE
    }
}

/// Walks a model and updates what has a gradient.
struct Update<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else {
            return param;
        };
        let id = param.id;
        param.map(|value| {
            let value = self.optimizer.update(id, value.inner(), gradient);
            Tensor::from_inner(value).require_grad()
        })
    }
}
