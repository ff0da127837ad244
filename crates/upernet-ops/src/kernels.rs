//! Kernels for the CPU: plain functions on slices, without burn.
//!
//! Maps are channels-last, `[N, H, W, C]`, contiguous `f32`. The instruction set is chosen when the
//! program runs ([`simd::arch`]): AVX-512 or AVX2 with FMA on x86-64, NEON on ARM, scalar code
//! elsewhere. Work is spread over rayon's current thread pool and never over more threads than it has.
//!
//! Read from the product up: `packed` (weights as the product wants them), `gemm` (the product),
//! then `winograd`, `upsample_taps` and the fused blocks that are made of it.
//!
//! This is the only place of the project with `unsafe`: vectors are loaded and stored through
//! pointers where a bounds check in the inner loop would cost more than the arithmetic. Every such
//! function checks the lengths of its slices first.

pub(crate) mod attention;
pub(crate) mod attention_backward;
#[cfg(test)]
mod backward_tests;
pub(crate) mod batch_norm;
pub(crate) mod bf16;
pub(crate) mod conv3x3;
pub(crate) mod conv_weights;
pub(crate) mod cross_entropy;
pub(crate) mod depthwise;
pub(crate) mod depthwise_backward;
pub(crate) mod depthwise_map;
pub(crate) mod gelu;
pub(crate) mod gemm;
pub(crate) mod layer_norm;
pub(crate) mod layer_norm_backward;
pub(crate) mod linear_backward;
pub(crate) mod map;
pub(crate) mod math;
pub(crate) mod max_pool;
pub(crate) mod mlp;
pub(crate) mod packed;
pub(crate) mod pool;
pub(crate) mod position_bias;
pub(crate) mod resize;
pub(crate) mod resize_backward;
pub(crate) mod response_norm;
pub(crate) mod rows;
pub(crate) mod scratch;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod space_to_depth;
pub(crate) mod strided_conv;
pub(crate) mod sum_rows;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
pub(crate) mod transposed;
pub(crate) mod upsample_taps;
pub(crate) mod upsample_taps_backward;
pub(crate) mod window_attention;
pub(crate) mod winograd;
pub(crate) mod winograd_backward;
