//! Attention, forward and backward, against burn's operations in 64 bits.

use burn::tensor::Tensor;
use proptest::prelude::*;
use upernet_ops::{attention, relative_position::token_position_bias};

use crate::support::{Case, assert_close, cases, in_f64};

/// Queries, keys and values as a layer makes them: side by side in the channels of one map.
fn split(qkv: &Tensor<4>) -> [Tensor<4>; 3] {
    let [_, channels, ..] = qkv.dims();
    let part = channels / 3;
    [0, 1, 2].map(|index| qkv.clone().narrow(1, index * part, part))
}

proptest! {
    #[test]
    fn attending_to_another_map(
        case in cases(1..12, 9), num_heads in 1..4_usize, size in [1..7_usize, 1..7], biased: bool,
    ) {
        let channels = case.channels * num_heads;
        let query = Case { channels, ..case }.map();
        let [key, value] = [size, size].map(|size| case.other(channels, size));
        let [queries, keys] = [case.size, size].map(|[height, width]| height * width);
        let bias = biased.then(|| case.weight([num_heads, queries, keys]));
        let maps = [&query, &key, &value].map(|map| in_f64(map.clone()));
        let [query64, key64, value64] = maps;
        let expected = attention(query64, key64, value64, num_heads, bias.clone().map(in_f64));
        assert_close(attention(query, key, value, num_heads, bias), expected, 1e-5)?;
    }

    #[test]
    fn attending_to_itself(case in cases(1..12, 9), num_heads in 1..4_usize) {
        let qkv = case.other(3 * num_heads * case.channels, case.size);
        let [query, key, value] = split(&in_f64(qkv.clone()));
        let expected = attention(query, key, value, num_heads, None);
        let [query, key, value] = split(&qkv);
        assert_close(attention(query, key, value, num_heads, None), expected, 1e-5)?;
    }

    #[test]
    fn biases_of_the_offsets_of_tokens(
        case in cases(1..12, 9), heads in 1..5_usize, grid in [1..9_usize, 1..9],
    ) {
        let [rows, columns] = grid.map(|side| 2 * side - 1);
        let offsets = case.weight([1, heads, rows, columns]);
        let of_class = case.weight([heads, 3]);
        let expected = token_position_bias(in_f64(offsets.clone()), in_f64(of_class.clone()));
        let found = token_position_bias(offsets, of_class);
        assert_close(found.unsqueeze(), expected.unsqueeze(), 1e-7)?;
    }

    #[test]
    fn gradients_of_attention(
        case in cases(1..12, 9), num_heads in 1..4_usize, size in [1..7_usize, 1..7], biased: bool,
    ) {
        let channels = case.channels * num_heads;
        let query = Case { channels, ..case }.map();
        let leaves = [query, case.other(channels, size), case.other(channels, size) + 0.1];
        let [queries, keys] = [case.size, size].map(|[height, width]| height * width);
        let bias = case.weight([num_heads, queries, keys]);
        let gradients = |leaves: [Tensor<4>; 3], bias: Tensor<3>| {
            let leaves = leaves.map(|leaf| leaf.autodiff().require_grad());
            let bias = bias.autodiff().require_grad();
            let [query, key, value] = leaves.clone();
            let context = attention(query, key, value, num_heads, biased.then(|| bias.clone()));
            let factors = case.other(channels, case.size).cast(context.dtype());
            let gradients = (context * factors.autodiff()).sum().backward();
            let of_bias = bias.grad(&gradients).map(Tensor::unsqueeze::<4>);
            let of_maps = leaves.map(|leaf| leaf.grad(&gradients).expect("a leaf of the graph"));
            of_maps.into_iter().chain(of_bias).collect::<Vec<_>>()
        };
        let expected = gradients(leaves.clone().map(in_f64), in_f64(bias.clone()));
        let actual = gradients(leaves, bias);
        prop_assert_eq!([actual.len(), expected.len()], [if biased { 4 } else { 3 }; 2]);
        for (actual, expected) in actual.into_iter().zip(expected) {
            assert_close(actual, expected, 1e-4)?;
        }
    }
}

#[test]
#[should_panic(expected = "10 channels do not split into 3 heads")]
fn heads_have_one_size() {
    let x = Tensor::zeros([1, 10, 1, 1], &burn::tensor::Device::flex());
    let _ = attention(x.clone(), x.clone(), x, 3, None);
}
