//! Maps to try, in several memory orders, and how to compare.

use burn::tensor::{DType, Device, Distribution, Tensor, module::conv2d, ops::ConvOptions, s};
use proptest::prelude::*;

/// A batch of maps and how they lie in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
    pub(crate) memory: Memory,
    pub(crate) seed: u64,
}

/// How the values of a map lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// As burn makes it.
    ChannelsFirst,
    /// As kernels want it.
    ChannelsLast,
    /// A part of a larger map.
    Sliced,
    /// Rows and columns swapped.
    Transposed,
    /// From the last row and column on.
    Flipped,
}

/// Small maps, of one to `sides` cells a side.
pub(crate) fn cases(channels: std::ops::Range<usize>, sides: usize) -> impl Strategy<Value = Case> {
    let memory = prop_oneof![
        Just(Memory::ChannelsFirst),
        Just(Memory::ChannelsLast),
        Just(Memory::Sliced),
        Just(Memory::Transposed),
        Just(Memory::Flipped),
    ];
    let size = [1..=sides, 1..=sides];
    (1..4_usize, channels, size, memory, any::<u64>()).prop_map(
        |(batch, channels, size, memory, seed)| Case {
            batch,
            channels,
            size,
            memory,
            seed,
        },
    )
}

impl Case {
    /// A random map, `[N, C, H, W]`.
    pub(crate) fn map(&self) -> Tensor<4> {
        self.map_with(self.channels, self.size, self.memory)
    }

    /// A random map of another size in channels-last memory.
    pub(crate) fn other(&self, channels: usize, size: [usize; 2]) -> Tensor<4> {
        self.map_with(channels, size, Memory::ChannelsLast)
    }

    fn map_with(&self, channels: usize, [height, width]: [usize; 2], memory: Memory) -> Tensor<4> {
        let batch = self.batch;
        match memory {
            Memory::ChannelsFirst => self.random([batch, channels, height, width]),
            Memory::ChannelsLast => self
                .random([batch, height, width, channels])
                .permute([0, 3, 1, 2]),
            Memory::Sliced => self
                .random([batch + 1, height + 2, width + 1, channels + 3])
                .permute([0, 3, 1, 2])
                .slice(s![1.., 2..channels + 2, 1..=height, 1..]),
            Memory::Transposed => self
                .random([batch, channels, width, height])
                .swap_dims(2, 3),
            Memory::Flipped => self.random([batch, channels, height, width]).flip([2, 3]),
        }
    }

    /// Random weights of that shape, small enough that sums stay about one.
    pub(crate) fn weight<const D: usize>(&self, dims: [usize; D]) -> Tensor<D> {
        self.random(dims) * 0.3
    }

    fn random<const D: usize>(&self, dims: [usize; D]) -> Tensor<D> {
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().expect("nothing panics below");
        let device = Device::flex();
        let size: usize = dims.iter().product();
        device.seed(self.seed ^ size as u64);
        Tensor::random(dims, Distribution::Normal(0.0, 1.0), &device)
    }
}

/// Fails unless two maps agree to `tolerance`, relative to the larger of 1 and the largest value.
pub(crate) fn assert_close(
    actual: Tensor<4>,
    expected: Tensor<4>,
    tolerance: f32,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(actual.dims(), expected.dims());
    let values = |x: Tensor<4>| x.into_data().convert::<f32>().try_into_vec::<f32>();
    let (actual, expected) = (values(actual).expect("f32"), values(expected).expect("f32"));
    let largest = expected
        .iter()
        .fold(1.0_f32, |most, value| most.max(value.abs()));
    for (index, (a, e)) in actual.iter().zip(&expected).enumerate() {
        prop_assert!(
            (a - e).abs() <= tolerance * largest,
            "{} instead of {} at {}",
            a,
            e,
            index
        );
    }
    Ok(())
}

/// The same values in 64 bits, for which there are no kernels.
pub(crate) fn in_f64<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::F64)
}

/// burn's own 3 x 3 convolution, stride 1 and padding 1.
pub(crate) fn burns_conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    conv2d(x, weight, bias, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
}
