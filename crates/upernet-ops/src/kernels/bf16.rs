//! Matrix products of numbers rounded to bfloat16, summed in `f32`.
//!
//! A pair of products and a sum is one instruction (`VDPBF16PS` of AVX512-BF16), twice as much as with
//! `f32`. Weights are rounded once; rows of the other side as they enter a product. Rounding is to
//! nearest, ties to even: a relative error of up to 2^-9 in each factor, none added in the sums.
#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

use std::ops::Range;

use half::bf16;

use super::{
    gemm::Epilogue,
    packed::AlignedBuffer,
    rows::{Rows, RowsMut},
};

/// Whether this processor has products of bfloat16 that the kernels can use.
pub(crate) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        avx512::token().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Weights `[k, n]` in panels like those of `f32`, but with two rows in a word: the even one in the
/// lower half. An odd last row has zeros beside it.
#[derive(Clone, Debug)]
pub(super) struct Bf16Matrix {
    k: usize,
    n: usize,
    panel_width: usize,
    /// Bit patterns of pairs.
    panels: AlignedBuffer,
}

impl Bf16Matrix {
    /// Rounds panels of `f32`.
    pub(super) fn new(panels: &[f32], [k, n]: [usize; 2], panel_width: usize) -> Self {
        let pairs = k.div_ceil(2);
        let mut rounded = AlignedBuffer::zeros(pairs * n.next_multiple_of(panel_width));
        let words: &mut [u32] = bytemuck::cast_slice_mut(rounded.values_mut());
        let panels = panels.chunks_exact((k * panel_width).max(1));
        for (panel, words) in panels.zip(words.chunks_exact_mut((pairs * panel_width).max(1))) {
            for (pair, words) in words.chunks_exact_mut(panel_width).enumerate() {
                let row = |row: usize| panel.get(row * panel_width..).unwrap_or_default();
                let (even, odd) = (row(2 * pair), row(2 * pair + 1));
                for (column, word) in words.iter_mut().enumerate() {
                    let odd = odd.get(column).copied().unwrap_or_default();
                    let halves = [even[column], odd].map(|value| bf16::from_f32(value).to_bits());
                    *word = u32::from(halves[0]) | u32::from(halves[1]) << 16;
                }
            }
        }
        Self {
            k,
            n,
            panel_width,
            panels: rounded,
        }
    }

    /// Bytes of its weights.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.panels.values())
    }
}

/// [`gemm::matmul_tile`](super::gemm::matmul_tile) with rounded weights.
pub(super) fn matmul_tile(
    a: Rows<'_>,
    b: &Bf16Matrix,
    panels: Range<usize>,
    epilogue: Epilogue<'_>,
    out: RowsMut<'_>,
) {
    #[cfg(target_arch = "x86_64")]
    avx512::matmul_tile(a, b, panels, epilogue, out);
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!(
        "weights are rounded only where `is_available`: {a:?} {b:?} {panels:?} {epilogue:?} {out:?}"
    );
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::{
        arch::{
            is_x86_feature_detected,
            x86_64::{
                __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps,
                _mm512_loadu_si512, _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
                _mm512_storeu_si512,
            },
        },
        mem::transmute,
        ops::Range,
        sync::OnceLock,
    };

    use pulp::{Arch, x86::V4};

    use super::{
        super::{
            gemm::{Epilogue, Finish},
            rows::{Rows, RowsMut},
            scratch::with_scratch,
            simd::{self, prefetch},
        },
        Bf16Matrix,
    };

    /// Vectors of a panel.
    const NV: usize = 2;
    /// Columns of a panel.
    const WIDTH: usize = 16 * NV;
    /// Most rows of a block: with two vectors each they fill the registers.
    const MOST: usize = 14;
    /// Pairs that are summed before the partial result goes back to memory.
    const PAIRS: usize = 512;

    /// Proof that the processor can do it.
    pub(super) fn token() -> Option<V4> {
        static DETECTED: OnceLock<bool> = OnceLock::new();
        match simd::arch() {
            Arch::V4(token) => DETECTED
                .get_or_init(|| is_x86_feature_detected!("avx512bf16"))
                .then_some(token),
            _ => None,
        }
    }

    pub(super) fn matmul_tile(
        a: Rows<'_>,
        b: &Bf16Matrix,
        panels: Range<usize>,
        epilogue: Epilogue<'_>,
        out: RowsMut<'_>,
    ) {
        let token = token().expect("weights are rounded only where `is_available`");
        assert_eq!(b.panel_width, WIDTH, "panels of another instruction set");
        let columns = (panels.end * WIDTH).min(b.n) - panels.start * WIDTH;
        assert!(
            a.holds(b.k),
            "the left-hand side is too short for {} columns",
            b.k
        );
        assert_eq!(
            [out.count(), out.width()],
            [a.count, columns],
            "the result has another size"
        );
        // An odd number of cache lines, or rows would compete for the same places of the cache.
        let stride = (b.k.div_ceil(2).div_ceil(16) | 1) * 16;
        with_scratch(a.count * stride, |rounded| {
            let rounded = bytemuck::cast_slice_mut(rounded);
            let tile = Tile {
                rounded,
                stride,
                b,
                panels,
                columns,
                epilogue,
                out,
            };
            // SAFETY: the token is there, so the processor has the features.
            unsafe { tile.run(token, a) };
        });
    }

    struct Tile<'a> {
        /// Rows of pairs, `stride` words apart.
        rounded: &'a mut [u32],
        stride: usize,
        b: &'a Bf16Matrix,
        panels: Range<usize>,
        columns: usize,
        epilogue: Epilogue<'a>,
        out: RowsMut<'a>,
    }

    impl Tile<'_> {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        fn run(mut self, token: V4, a: Rows<'_>) {
            for row in 0..a.count {
                let values = &a.values[row * a.stride..][..self.b.k];
                round(
                    values,
                    &mut self.rounded[row * self.stride..][..self.stride],
                );
            }
            let (onto, epilogue) = self.epilogue.take_output();
            let pairs = self.b.k.div_ceil(2);
            let blocks = pairs.div_ceil(PAIRS).max(1);
            for block in 0..blocks {
                let depth = block * pairs / blocks..(block + 1) * pairs / blocks;
                for panel in self.panels.clone() {
                    let column = (panel - self.panels.start) * WIDTH;
                    let finish = Finish {
                        column,
                        columns: WIDTH.min(self.columns - column),
                        carry: block > 0 || onto,
                        epilogue: (block + 1 == blocks).then_some(&epilogue),
                    };
                    let words: &[u32] = bytemuck::cast_slice(self.b.panels.values());
                    let words = &words[panel * pairs * WIDTH..];
                    let panel = Panel {
                        rounded: &self.rounded[depth.start..],
                        stride: self.stride,
                        words: &words[depth.start * WIDTH..depth.end * WIDTH],
                        pairs: depth.len(),
                        next: words.get(pairs * WIDTH..).unwrap_or_default(),
                    };
                    panel.run(token, a.count, &finish, &mut self.out);
                }
            }
        }
    }

    /// Rounds a row, with zeros after an odd last value.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn round(values: &[f32], words: &mut [u32]) {
        assert!(words.len() >= values.len().div_ceil(32) * 16);
        for (values, words) in values.chunks(32).zip(words.chunks_exact_mut(16)) {
            let length = values.len();
            let first = values.as_ptr();
            // SAFETY: full loads read 32 values of a full chunk; masked ones read the values that
            // there are, and a mask of zero reads nothing. The store writes the 16 words.
            unsafe {
                let (low, high) = if length == 32 {
                    (_mm512_loadu_ps(first), _mm512_loadu_ps(first.add(16)))
                } else {
                    let mask = (1_u32 << length) - 1;
                    let [low, high] = [mask & 0xffff, mask >> 16]
                        .map(|mask| u16::try_from(mask).unwrap_or(u16::MAX));
                    let rest = first.wrapping_add(16.min(length));
                    (
                        _mm512_maskz_loadu_ps(low, first),
                        _mm512_maskz_loadu_ps(high, rest),
                    )
                };
                let pairs: __m512bh = _mm512_cvtne2ps_pbh(high, low);
                _mm512_storeu_si512(
                    words.as_mut_ptr().cast(),
                    transmute::<__m512bh, __m512i>(pairs),
                );
            }
        }
    }

    /// All rows of a tile against a block of one panel.
    struct Panel<'a> {
        rounded: &'a [u32],
        stride: usize,
        words: &'a [u32],
        pairs: usize,
        /// What comes after the panel; it is fetched while this one is worked on.
        next: &'a [u32],
    }

    impl Panel<'_> {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        fn run(&self, token: V4, rows: usize, finish: &Finish<'_, '_>, out: &mut RowsMut<'_>) {
            let blocks = rows.div_ceil(MOST);
            for block in 0..blocks {
                let row = block * rows / blocks;
                let height = (block + 1) * rows / blocks - row;
                let share = self.words.len() / blocks;
                let ahead = self.next.get(block * share..).unwrap_or_default();
                let step = share.min(ahead.len()) / self.pairs.max(1);
                let ahead = (ahead.as_ptr(), step);
                match height {
                    1 => self.block::<1>(token, row, ahead, finish, out),
                    2 => self.block::<2>(token, row, ahead, finish, out),
                    3 => self.block::<3>(token, row, ahead, finish, out),
                    4 => self.block::<4>(token, row, ahead, finish, out),
                    5 => self.block::<5>(token, row, ahead, finish, out),
                    6 => self.block::<6>(token, row, ahead, finish, out),
                    7 => self.block::<7>(token, row, ahead, finish, out),
                    8 => self.block::<8>(token, row, ahead, finish, out),
                    9 => self.block::<9>(token, row, ahead, finish, out),
                    10 => self.block::<10>(token, row, ahead, finish, out),
                    11 => self.block::<11>(token, row, ahead, finish, out),
                    12 => self.block::<12>(token, row, ahead, finish, out),
                    13 => self.block::<13>(token, row, ahead, finish, out),
                    _ => self.block::<MOST>(token, row, ahead, finish, out),
                }
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        fn block<const MR: usize>(
            &self,
            token: V4,
            row: usize,
            ahead: (*const u32, usize),
            finish: &Finish<'_, '_>,
            out: &mut RowsMut<'_>,
        ) {
            let sums = self.sums::<MR>(row, ahead);
            for (index, sums) in sums.into_iter().enumerate() {
                // SAFETY: both are 16 lanes of `f32` in 64 bytes.
                let sums = sums.map(|sum| unsafe { transmute::<__m512, pulp::f32x16>(sum) });
                finish.store::<V4, NV>(token, row + index, sums, out);
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        #[inline]
        fn sums<const MR: usize>(
            &self,
            row: usize,
            (mut ahead, step): (*const u32, usize),
        ) -> [[__m512; NV]; MR] {
            assert!(self.words.len() >= self.pairs * WIDTH);
            assert!(
                self.pairs == 0 || (row + MR - 1) * self.stride + self.pairs <= self.rounded.len()
            );
            let mut sums = [[_mm512_setzero_ps(); NV]; MR];
            let mut words = self.words.as_ptr();
            let mut pair = self.rounded.as_ptr().wrapping_add(row * self.stride);
            for _ in 0..self.pairs {
                // SAFETY: the assertions above bound every address: `words` runs over `pairs`
                // rows of the panel, `pair` over `pairs` words of `MR` rows. The types of one
                // vector differ in name only.
                unsafe {
                    let mut weights = [transmute::<__m512, __m512bh>(_mm512_setzero_ps()); NV];
                    for (v, weight) in weights.iter_mut().enumerate() {
                        *weight = transmute::<__m512i, __m512bh>(_mm512_loadu_si512(
                            words.add(16 * v).cast(),
                        ));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let both = (*pair.add(r * self.stride)).cast_signed();
                        let both = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(both));
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = _mm512_dpbf16_ps(*sum, both, weight);
                        }
                    }
                    words = words.add(WIDTH);
                    pair = pair.add(1);
                    prefetch(ahead.cast());
                    ahead = ahead.wrapping_add(step);
                }
            }
            sums
        }
    }
}
