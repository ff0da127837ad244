//! Full training steps: forward with the auxiliary head, backward and optimiser, in f32 on burn's CPU
//! backend.
//!
//!     training_step MODEL INPUT [THREADS] [STEPS]
//!
//! MODEL is a folder in Hugging Face's layout, INPUT a safetensors file with `pixel_values`, f32
//! `[N, 3, H, W]`, and `labels`, i64 `[N, H, W]`. Prints a line of JSON with the seconds of each step,
//! whole and by part, and the losses. `scripts/bench_training_step.py` runs it beside PyTorch.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::{env, error::Error, fs, path::Path, time::Instant};

use burn::{
    module::Module,
    tensor::{Element, Int, Tensor, TensorData},
};
use burn_optim::{AdamWConfig, GradientsParams};
use bytemuck::Pod;
use safetensors::SafeTensors;
use upernet::{device, hf::ModelFolder, zoo};

/// The optimiser's settings, as the script gives them to PyTorch.
const LEARNING_RATE: f64 = 6e-5;
const EPSILON: f32 = 1e-8;
const WEIGHT_DECAY: f32 = 0.01;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(model), Some(input)) = (arguments.next(), arguments.next()) else {
        return Err("training_step MODEL INPUT [THREADS] [STEPS]".into());
    };
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (threads, steps) = (number(0)?, number(4)?);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;

    let device = device::open("flex")?.autodiff();
    let input = fs::read(input)?;
    let input = SafeTensors::deserialize(&input)?;
    let pixels = data::<f32>(&input, "pixel_values")?;
    let pixels = Tensor::<4>::from_data(pixels, &device);
    let labels = data::<i64>(&input, "labels")?;
    let labels = Tensor::<3, Int>::from_data(labels, &device);

    let (model, _) = zoo::load(&ModelFolder::open(Path::new(&model))?, &device)?;
    let mut model = model.train();
    let mut optimizer = AdamWConfig::new()
        .with_epsilon(EPSILON)
        .with_weight_decay(WEIGHT_DECAY)
        .init();
    let mut report = Report::default();
    for _ in 0..steps {
        let start = Instant::now();
        let loss = model.loss(pixels.clone(), labels.clone());
        let value: f32 = loss.clone().into_scalar();
        let forward = start.elapsed().as_secs_f64();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let backward = start.elapsed().as_secs_f64();
        model = optimizer.step(LEARNING_RATE, model, gradients);
        let seconds = start.elapsed().as_secs_f64();
        report.seconds.push(seconds);
        report.forward.push(forward);
        report.backward.push(backward - forward);
        report.optimizer.push(seconds - backward);
        report.losses.push(value);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// A tensor of the file; its values are the machine's own, little-endian as files have them.
fn data<E: Element + Pod>(
    input: &SafeTensors<'_>,
    name: &str,
) -> Result<TensorData, Box<dyn Error>> {
    let view = input.tensor(name)?;
    let values: Vec<E> = bytemuck::pod_collect_to_vec(view.data());
    Ok(TensorData::new(values, view.shape().to_vec()))
}

/// Seconds of each step and of its parts, and the loss before each step.
#[derive(Debug, Default, serde::Serialize)]
struct Report {
    seconds: Vec<f64>,
    forward: Vec<f64>,
    backward: Vec<f64>,
    optimizer: Vec<f64>,
    losses: Vec<f32>,
}
