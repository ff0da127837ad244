//! What each library would write of a network that is saved here: the tables of `upernet_zoo`, the other
//! way about and by other means.
//!
//! A key is taken apart by its words, so that a mistake in a table is not made twice.

use std::collections::BTreeMap;

/// A tensor: shape and values.
pub(crate) type Stored = (Vec<usize>, Vec<f32>);
pub(crate) type State = BTreeMap<String, Stored>;

/// A library's name for a hub key without `backbone.`; `{}` stands for query, key and value.
type Rename = fn(&str) -> Option<String>;

/// Writes the backbone of `hub` under other names, with `query`, `key` and `value` fused.
pub(crate) fn written(hub: &State, prefix: &str, rename: Rename) -> State {
    let mut state = State::new();
    for (key, (shape, values)) in hub {
        let Some(key) = key.strip_prefix("backbone.") else {
            continue;
        };
        // PVTv2 fuses keys and values.
        if key.contains(".attention.value.") {
            continue;
        }
        let has_key = hub.contains_key(&format!("backbone.{}", key.replace("value", "key")));
        if key.contains(".attention.self.key.")
            || (key.contains(".attention.self.value.") && has_key)
        {
            continue;
        }
        let (mut shape, mut values) = (shape.clone(), values.clone());
        // Swin V2 has no bias of the key, and so none of the fused projection.
        let biases = key.replace("query", "key");
        let is_fused = hub.contains_key(&format!("backbone.{biases}"));
        if key.contains(".attention.self.query.") && is_fused {
            for part in ["key", "value"] {
                let part = format!("backbone.{}", key.replace("query", part));
                values.extend(&hub[&part].1);
            }
            shape[0] *= 3;
        }
        if key.contains(".attention.key.") {
            let value = format!("backbone.{}", key.replace(".key.", ".value."));
            values.extend(&hub[&value].1);
            shape[0] *= 2;
        }
        if let Some(name) = rename(key) {
            state.insert(format!("{prefix}{name}"), (shape, values));
        }
    }
    state
}

/// Parts of a key of Swin's blocks, in the names of timm and Microsoft.
const SWIN: [(&str, &str); 14] = [
    ("encoder.layers.", "layers."),
    (
        "embeddings.patch_embeddings.projection.",
        "patch_embed.proj.",
    ),
    ("embeddings.norm.", "patch_embed.norm."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".attention.self.query.weight", ".attn.qkv.weight"),
    (".attention.self.query.bias", ".attn.qkv.bias"),
    (".attention.self.value.bias", ".attn.v_bias"),
    (".attention.self.logit", ".attn.logit"),
    (
        ".attention.self.continuous_position_bias_mlp.",
        ".attn.cpb_mlp.",
    ),
    (".attention.output.dense.", ".attn.proj."),
    (".attention.self.relative", ".attn.relative"),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
];

fn replaced(key: &str, table: &[(&str, &str)]) -> String {
    let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
    table.iter().fold(key.to_owned(), replace)
}

/// Microsoft's: patches are merged at the end of a stage, and maps have norms called by their number.
pub(crate) fn microsoft(key: &str) -> String {
    match key.strip_prefix("hidden_states_norms.stage") {
        Some(rest) => numbered_norm(rest),
        None => replaced(key, &SWIN),
    }
}

/// timm's: patches are merged at the start of a stage, and maps have no norms.
pub(crate) fn timm_swin(key: &str) -> Option<String> {
    if key.starts_with("hidden_states_norms.") {
        return None;
    }
    let name = replaced(key, &SWIN);
    let Some((stage, rest)) = name
        .strip_prefix("layers.")
        .and_then(|rest| rest.split_once(".downsample."))
    else {
        return Some(name);
    };
    let stage = stage.parse::<usize>().expect("a number") + 1;
    Some(format!("layers.{stage}.downsample.{rest}"))
}

/// Microsoft's Swin V2: queries and values have biases of their own.
pub(crate) fn microsoft_v2(key: &str) -> String {
    microsoft(key).replace(".attn.qkv.bias", ".attn.q_bias")
}

/// torchvision's `ResNet`.
pub(crate) fn resnet(key: &str) -> String {
    let key = replaced(
        key,
        &[
            ("embedder.embedder.convolution.", "conv1."),
            ("embedder.embedder.normalization.", "bn1."),
            (".shortcut.convolution.", ".downsample.0."),
            (".shortcut.normalization.", ".downsample.1."),
        ],
    );
    let Some(rest) = key.strip_prefix("encoder.stages.") else {
        return key;
    };
    let parts: Vec<&str> = rest.split('.').collect();
    let after = |number: &str| number.parse::<usize>().expect("a number") + 1;
    match parts.as_slice() {
        [stage, "layers", block, "layer", layer, kind, parameter] => {
            let kind = if *kind == "convolution" { "conv" } else { "bn" };
            let (stage, layer) = (after(stage), after(layer));
            format!("layer{stage}.{block}.{kind}{layer}.{parameter}")
        }
        [stage, "layers", block, others @ ..] => {
            format!("layer{}.{block}.{}", after(stage), others.join("."))
        }
        _ => panic!("{key} is no key of a ResNet"),
    }
}

/// Parts of a key of a PVTv2's blocks, in the names of timm and of its authors.
const PVT_V2: [(&str, &str); 10] = [
    (".layer_norm_1.", ".norm1."),
    (".layer_norm_2.", ".norm2."),
    (".attention.query.", ".attn.q."),
    (".attention.key.", ".attn.kv."),
    (".attention.proj.", ".attn.proj."),
    (".attention.spatial_reduction.", ".attn.sr."),
    (".attention.layer_norm.", ".attn.norm."),
    (".mlp.dense1.", ".mlp.fc1."),
    (".mlp.dense2.", ".mlp.fc2."),
    (".layer_norm.", ".norm."),
];

/// timm's PVTv2: what leads into the first stage is not in it.
pub(crate) fn timm_pvt_v2(key: &str) -> String {
    let key = replaced(key, &PVT_V2).replace(".dwconv.dwconv.", ".dwconv.");
    let key = key.replace("encoder.layers.0.patch_embedding.", "patch_embed.");
    let key = key.replace("encoder.layers.", "stages.");
    key.replace(".patch_embedding.", ".downsample.")
}

/// The PVTv2 of its authors: parts of a stage are numbered, from 1.
pub(crate) fn authors_pvt_v2(key: &str) -> Option<String> {
    let key = replaced(key, &PVT_V2);
    let (stage, rest) = key.strip_prefix("encoder.layers.")?.split_once('.')?;
    let stage = stage.parse::<usize>().expect("a number") + 1;
    let (part, rest) = rest.split_once('.')?;
    let part = match part {
        "patch_embedding" => "patch_embed",
        "blocks" => "block",
        other => other,
    };
    Some(format!("{part}{stage}.{rest}"))
}

/// Meta's `ConvNeXt`.
pub(crate) fn meta(key: &str) -> String {
    if let Some(rest) = key.strip_prefix("hidden_states_norms.stage") {
        return numbered_norm(rest);
    }
    let key = replaced(
        key,
        &[
            ("embeddings.patch_embeddings.", "downsample_layers.0.0."),
            ("embeddings.layernorm.", "downsample_layers.0.1."),
        ],
    );
    let Some(rest) = key.strip_prefix("encoder.stages.") else {
        return key;
    };
    let (stage, rest) = rest.split_once('.').expect("a stage");
    if let Some(rest) = rest.strip_prefix("downsampling_layer.") {
        return format!("downsample_layers.{stage}.{rest}");
    }
    let block = [
        ("layers.", ""),
        (".layernorm.", ".norm."),
        (".layer_scale_parameter", ".gamma"),
        (".grn.weight", ".grn.gamma"),
        (".grn.bias", ".grn.beta"),
    ];
    format!("stages.{stage}.{}", replaced(rest, &block))
}

/// `2.weight` of a stage counted from 1 is `norm1.weight`.
fn numbered_norm(rest: &str) -> String {
    let (stage, parameter) = rest.split_once('.').expect("a stage and a parameter");
    let number = stage.parse::<usize>().expect("a number") - 1;
    format!("norm{number}.{parameter}")
}

/// The tensors of a BEiT with its projections named as Swin's are, for [`written`].
pub(crate) fn as_swin(hub: &State) -> State {
    let tensors = hub.iter();
    tensors
        .map(|(key, tensor)| {
            let key = key.replace(".attention.attention.", ".attention.self.");
            (key, tensor.clone())
        })
        .collect()
}

/// Microsoft's BEiT, behind [`as_swin`]: its neck is in the backbone.
pub(crate) fn beit(key: &str) -> String {
    let name = replaced(key, &SWIN);
    let name = name.replace("encoder.layer.", "blocks.");
    replaced(
        &name,
        &[
            (".attn.qkv.bias", ".attn.q_bias"),
            ("beit.encoder.relative_position_bias.", "rel_pos_bias."),
            (".attn.relative_position_bias.", ".attn."),
            ("embeddings.cls_token", "cls_token"),
            ("embeddings.position_embeddings", "pos_embed"),
            (".lambda_", ".gamma_"),
        ],
    )
}

/// mmsegmentation's: its neck stands beside the backbone, once the prefix of both is exchanged.
pub(crate) fn mmseg_beit(key: &str) -> String {
    replaced(
        &beit(key),
        &[
            ("blocks.", "layers."),
            ("patch_embed.proj.", "patch_embed.projection."),
            (".norm1.", ".ln1."),
            (".norm2.", ".ln2."),
            (".mlp.fc1.", ".ffn.layers.0.0."),
            (".mlp.fc2.", ".ffn.layers.1."),
            ("fpn1.", "neck.upsample_4x."),
            ("fpn2.", "neck.upsample_2x."),
        ],
    )
}

/// What all plain transformers share, behind [`as_swin`].
const PLAIN: [(&str, &str); 12] = [
    (
        "embeddings.patch_embeddings.projection.",
        "patch_embed.proj.",
    ),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.", ""),
    ("encoder.layer.", "blocks."),
    ("layernorm.", "norm."),
    (".attention.self.query.", ".attn.qkv."),
    (".attention.output.dense.", ".attn.proj."),
    (".layer_scale1.lambda1", ".ls1.gamma"),
    (".layer_scale2.lambda1", ".ls2.gamma"),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".mlp.weights_in.", ".mlp.w12."),
];

/// Meta's DINOv2.
pub(crate) fn metas_dinov2(key: &str) -> String {
    replaced(key, &PLAIN).replace(".mlp.weights_out.", ".mlp.w3.")
}

/// The tensors of a DINOv3 as [`as_swin`] has a BEiT's. Meta keeps biases of keys that count for nothing,
/// and masks that say so.
pub(crate) fn dinov3_as_swin(hub: &State) -> State {
    let mut state = State::new();
    for (key, (shape, values)) in hub {
        let name = replaced(
            key,
            &[
                (".attention.q_proj.", ".attention.self.query."),
                (".attention.k_proj.", ".attention.self.key."),
                (".attention.v_proj.", ".attention.self.value."),
            ],
        );
        if let Some(layer) = name.strip_suffix(".attention.self.query.bias") {
            let bias = vec![0.25; values.len()];
            state.insert(
                format!("{layer}.attention.self.key.bias"),
                (shape.clone(), bias),
            );
            let mask = (vec![1], vec![1.0]);
            state.insert(format!("{layer}.attention.self.query.bias_mask"), mask);
        }
        let shape = if key.ends_with("mask_token") {
            shape[1..].to_vec()
        } else {
            shape.clone()
        };
        state.insert(name, (shape, values.clone()));
    }
    state
}

/// Meta's DINOv3, behind [`dinov3_as_swin`].
pub(crate) fn metas_dinov3(key: &str) -> String {
    replaced(
        key,
        &[
            ("embeddings.patch_embeddings.", "patch_embed.proj."),
            ("embeddings.register_tokens", "storage_tokens"),
            ("embeddings.", ""),
            ("layer.", "blocks."),
            (".attention.self.query.", ".attn.qkv."),
            (".attention.o_proj.", ".attn.proj."),
            (".layer_scale1.lambda1", ".ls1.gamma"),
            (".layer_scale2.lambda1", ".ls2.gamma"),
            (".mlp.up_proj.", ".mlp.fc1."),
            (".mlp.down_proj.", ".mlp.fc2."),
        ],
    )
}

/// The same with gated perceptrons.
pub(crate) fn metas_gated_dinov3(key: &str) -> String {
    let gated = replaced(
        key,
        &[
            (".mlp.gate_proj.", ".mlp.w1."),
            (".mlp.up_proj.", ".mlp.w2."),
            (".mlp.down_proj.", ".mlp.w3."),
        ],
    );
    metas_dinov3(&gated)
}

/// timm's ViT, and Meta's masked autoencoders.
pub(crate) fn vit(key: &str) -> Option<String> {
    if key.starts_with("neck.") {
        return None;
    }
    let name = replaced(key, &PLAIN);
    let name = name.replace(".intermediate.dense.", ".mlp.fc1.");
    Some(name.replace(".output.dense.", ".mlp.fc2."))
}

/// mmsegmentation's: its neck stands beside the backbone, once the prefix of both is exchanged.
pub(crate) fn mmseg_vit(key: &str) -> String {
    if let Some((conv, parameter)) = key.rsplit_once('.').filter(|_| key.starts_with("neck.")) {
        return format!("{conv}.conv.{parameter}");
    }
    let name = mmseg_beit(key).replace("embeddings.position_embeddings", "pos_embed");
    let torchs = [
        (".attn.qkv.", ".attn.attn.in_proj_"),
        (".attn.q_bias", ".attn.attn.in_proj_bias"),
        (".attn.proj.", ".attn.attn.out_proj."),
        ("layernorm.", "ln1."),
    ];
    replaced(&name, &torchs)
}

/// The heads as mmsegmentation names them, under a prefix.
pub(crate) fn heads(hub: &State, prefix: &str) -> State {
    let heads = hub.iter().filter(|(key, _)| !key.starts_with("backbone."));
    heads
        .map(|(key, tensor)| {
            let name = replaced(
                key,
                &[(".batch_norm.", ".bn."), (".classifier.", ".conv_seg.")],
            );
            (format!("{prefix}{name}"), tensor.clone())
        })
        .collect()
}
