//! Plain transformers: all layers have the same tokens, one for each whole patch of the image, behind
//! those that belong to none.

mod attention;
mod biases;
mod embeddings;
mod neck;
mod perceptron;
mod positions;
mod rotary;

use attention::Attention;
pub(super) use attention::Projections;
pub(super) use biases::PositionBiases;
pub(super) use embeddings::Positions;
use embeddings::{EMBEDDINGS, Sequence};
pub(super) use neck::{Neck, PyramidNames};
pub(super) use perceptron::{Activation, First, Perceptron};
pub(super) use positions::LearnedPositions;
use rotary::{Rotary, Rotation};

use super::Family;
use crate::{
    Error,
    graph::{Graph, signed},
    layers::Map,
};

/// What a plain transformer is made of.
#[derive(Debug)]
pub(super) struct Network<'a> {
    pub(super) patch_size: usize,
    pub(super) border: ImageBorder,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    /// Learned tokens behind the class token that belong to no patch.
    pub(super) registers: usize,
    pub(super) positions: Positions,
    /// What attention adds for the offset of two patches.
    pub(super) biases: Option<PositionBiases>,
    pub(super) projections: Projections,
    pub(super) perceptron: Perceptron,
    /// Epsilon of all norms.
    pub(super) epsilon: f64,
    pub(super) output_norm: OutputNorm,
    /// Layers whose maps are returned, from 1, ascending.
    pub(super) out_stages: &'a [usize],
    pub(super) neck: Option<Neck>,
    pub(super) names: Names,
}

/// What becomes of a border of the image that no whole patch covers, at the bottom and on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImageBorder {
    LeftOut,
    /// With zeros.
    Padded,
}

/// Which maps pass the final norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputNorm {
    Every,
    /// That of the network's last layer, if it is returned.
    Last,
    Never,
}

/// How the hub calls the layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// The convolution that makes a token of a patch.
    pub(super) patches: &'static str,
    /// Before the number of a layer; what follows is below that.
    pub(super) layers: &'static str,
    /// Before attention, and before the perceptron.
    pub(super) norms: [&'static str; 2],
    /// The factors of the channels of both branches.
    pub(super) scales: Option<[&'static str; 2]>,
    /// Of the maps.
    pub(super) output_norm: &'static str,
}

/// A family that is a plain transformer: all of its lowering is what it is made of.
pub(super) trait PlainTransformer {
    fn network(&self) -> Network<'_>;
}

impl<T: PlainTransformer> Family for T {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        self.network().lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        self.network().refusal(size)
    }
}

impl Network<'_> {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let mut x = self.embedded(graph, pixel_values)?;
        let attention = Attention {
            projections: self.projections,
            channels: self.hidden_size,
            heads: self.num_attention_heads,
            tokens: x.count.clone(),
            rotation: self.rotation(graph, &x),
            biases: self.token_biases(graph, &x)?,
        };
        let mut maps = Vec::with_capacity(self.out_stages.len());
        let last = self.out_stages.last().copied().unwrap_or_default();
        for layer in 0..last {
            let path = format!("{}.{layer}", self.names.layers);
            x = self.layer(graph, &path, &x, &attention)?;
            if self.out_stages.contains(&(layer + 1)) {
                maps.push(self.map(graph, layer, &path, &x)?);
            }
        }
        let Some(neck) = self.neck else {
            return Ok(maps);
        };
        let maps = maps
            .try_into()
            .expect("a config has four maps for its neck");
        neck.lower(graph, maps)
    }

    /// What the network needs instead, if it takes no image of that size.
    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let (patches, why) = match self.neck {
            Some(_) => (2, "two patches, to be halved"),
            None => (1, "one patch"),
        };
        let least = match self.border {
            ImageBorder::LeftOut => patches * self.patch_size,
            ImageBorder::Padded => (patches - 1) * self.patch_size + 1,
        };
        let is_small = size.iter().any(|&pixels| pixels < least);
        is_small.then(|| format!("at least {least} x {least} pixels: {why}"))
    }

    /// What queries and keys of `x` are turned by, if positions are rotary.
    fn rotation(&self, graph: &mut Graph<'_>, x: &Sequence) -> Option<Rotation> {
        let Positions::Rotary(base) = self.positions else {
            return None;
        };
        let rotary = Rotary {
            base,
            each: self.hidden_size / self.num_attention_heads,
            prefix: self.prefix_tokens(),
        };
        Some(rotary.rotation(graph, EMBEDDINGS, &x.grid))
    }

    /// Attention, then a perceptron; each after a norm, both residual.
    fn layer(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Sequence,
        attention: &Attention,
    ) -> Result<Sequence, Error> {
        let channels = self.hidden_size;
        let below = |name: &str| format!("{path}.{name}");
        let [before, after] = self.names.norms.map(below);
        let [first, second] = match self.names.scales {
            Some(names) => names.map(|name| Some(below(name))),
            None => [None, None],
        };
        let y = graph.layer_norm(&before, &x.value, channels, self.epsilon)?;
        let y = attention.lower(graph, path, &y, first.as_deref())?;
        let value = graph.node(path, "Add", &[&x.value, &y], Vec::new());

        let y = graph.layer_norm(&after, &value, channels, self.epsilon)?;
        let scale = second.as_deref();
        let y = self.perceptron.lower(graph, path, &y, (channels, scale))?;
        let value = graph.node(path, "Add", &[&value, &y], Vec::new());
        Ok(Sequence { value, ..x.clone() })
    }

    /// The map of a layer, counted from 0, as it is returned.
    fn map(
        &self,
        graph: &mut Graph<'_>,
        layer: usize,
        path: &str,
        x: &Sequence,
    ) -> Result<Map, Error> {
        let channels = self.hidden_size;
        let behind = signed(self.prefix_tokens());
        let mut patches = graph.slice(path, &x.value, 1, [behind, i64::MAX]);
        let is_normed = match self.output_norm {
            OutputNorm::Every => true,
            OutputNorm::Last => layer + 1 == self.num_hidden_layers,
            OutputNorm::Never => false,
        };
        if is_normed {
            let norm = self.names.output_norm;
            patches = graph.layer_norm(norm, &patches, channels, self.epsilon)?;
        }
        let [height, width] = x.grid.clone();
        let map = graph.reshape(path, &patches, &[height, width, channels.into()]);
        Ok(Map {
            value: graph.channels_first(path, &map),
            channels,
            size: x.grid.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use upernet_hf::{
        ModelFolder,
        config::{
            HfBackboneConfig, HfBeitConfig, HfDinov2Config, HfDinov3VitConfig, HfNeck, HfVitConfig,
            HfVitOutputNorm,
        },
    };

    use crate::{
        Error,
        families::Family,
        graph::{Graph, Size},
        layers::Map,
    };

    fn golden(name: &str) -> ModelFolder {
        let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
        ModelFolder::open(&goldens.join(name)).expect("testdata is complete")
    }

    fn dinov2(folder: &ModelFolder) -> HfDinov2Config {
        match &folder.config.backbone {
            HfBackboneConfig::Dinov2(config) => config.clone(),
            _ => panic!("no DINOv2"),
        }
    }

    fn dinov3(folder: &ModelFolder) -> HfDinov3VitConfig {
        match &folder.config.backbone {
            HfBackboneConfig::Dinov3Vit(config) => config.clone(),
            _ => panic!("no DINOv3"),
        }
    }

    fn beit(folder: &ModelFolder) -> HfBeitConfig {
        match &folder.config.backbone {
            HfBackboneConfig::Beit(config) => config.clone(),
            _ => panic!("no BEiT"),
        }
    }

    fn vit(folder: &ModelFolder) -> HfVitConfig {
        match &folder.config.backbone {
            HfBackboneConfig::Vit(config) => config.clone(),
            _ => panic!("no ViT"),
        }
    }

    /// The backbone's graph, and its maps for images of 19 x 27 pixels.
    fn lowered<'a>(
        folder: &'a ModelFolder,
        family: &dyn Family,
    ) -> Result<(Graph<'a>, Vec<Map>), Error> {
        let mut graph = Graph::new(&folder.checkpoint);
        let pixel_values = Map {
            value: graph.input("pixel_values"),
            channels: 3,
            size: [19.into(), 27.into()],
        };
        let maps = family.lower(&mut graph, &pixel_values)?;
        Ok((graph, maps))
    }

    fn count(graph: &Graph<'_>, operator: &str) -> usize {
        let nodes = graph.nodes.iter();
        nodes.filter(|node| node.operator == operator).count()
    }

    #[test]
    fn layers_after_the_last_map_are_left_out() {
        let folder = golden("dinov2");
        let mut config = dinov2(&folder);
        for last in [5, 3, 1] {
            config.out_stages = vec![last];
            let (graph, maps) = lowered(&folder, &config).expect("it has all weights");
            assert_eq!(count(&graph, "Softmax"), last);
            assert_eq!(maps.len(), 1);
            // Two pixels at the bottom and two on the right are of no whole patch.
            assert_eq!(maps[0].size, [3, 5].map(Size::Fixed));
        }
    }

    #[test]
    fn maps_are_normed_if_the_config_says_so() {
        let folder = golden("dinov2");
        let mut config = dinov2(&folder);
        let (graph, maps) = lowered(&folder, &config).expect("it has all weights");
        let norms = count(&graph, "LayerNormalization");
        assert_eq!((norms, maps.len()), (2 * 5 + 4, 4));
        config.apply_layernorm = false;
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        assert_eq!(count(&graph, "LayerNormalization"), 2 * 5);
    }

    #[test]
    fn dinov3_norms_the_map_of_its_last_layer_in_any_case() {
        let folder = golden("dinov3-vit-gated");
        let mut config = dinov3(&folder);
        assert!(!config.apply_layernorm);
        for (layers, norms) in [(4, 2 * 4 + 1), (3, 2 * 3)] {
            config.out_stages = (1..=layers).collect();
            let (graph, _) = lowered(&folder, &config).expect("it has all weights");
            assert_eq!(count(&graph, "LayerNormalization"), norms);
        }
    }

    #[test]
    fn layers_have_a_bias_if_the_config_says_so() {
        let folder = golden("dinov3-vit");
        let mut config = dinov3(&folder);
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        let all = count(&graph, "Add");
        config.query_bias = false;
        config.proj_bias = false;
        config.mlp_bias = false;
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        assert_eq!(count(&graph, "Add"), all - 4 * config.num_hidden_layers);
        config.key_bias = true;
        let error = lowered(&folder, &config).expect_err("the golden has none");
        let key = "backbone.layer.0.attention.k_proj.bias";
        assert!(
            matches!(&error, Error::Missing { key: found } if found == key),
            "{error}"
        );
    }

    /// Layers share the numbers of offsets, and all one table if it is that of all.
    #[test]
    fn biases_are_looked_up_once_for_each_table() {
        for (name, tables) in [("beit", 4), ("beit-flat", 3), ("beit-shared", 1)] {
            let folder = golden(name);
            let (graph, _) = lowered(&folder, &beit(&folder)).expect("it has all weights");
            assert_eq!(count(&graph, "Gather"), tables, "{name}");
            assert_eq!(count(&graph, "Sub"), 1, "{name}");
        }
        let folder = golden("beit");
        let config = HfBeitConfig {
            use_relative_position_bias: false,
            ..beit(&folder)
        };
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        assert_eq!(count(&graph, "Gather"), 0);
        let config = HfBeitConfig {
            use_shared_relative_position_bias: true,
            ..beit(&folder)
        };
        let error = lowered(&folder, &config).expect_err("no table is that of all");
        let key = "backbone.beit.encoder.relative_position_bias.relative_position_bias_table";
        assert!(
            matches!(&error, Error::Missing { key: found } if found == key),
            "{error}"
        );
    }

    #[test]
    fn a_feature_pyramid_has_maps_of_four_sizes() {
        let folder = golden("vit-pyramid");
        let (graph, maps) = lowered(&folder, &vit(&folder)).expect("it has all weights");
        let sizes: Vec<_> = maps.iter().map(|map| map.size.clone()).collect();
        let expected = [[12, 20], [6, 10], [3, 5], [1, 2]];
        assert_eq!(sizes, expected.map(|size| size.map(Size::Fixed)));
        assert_eq!(count(&graph, "ConvTranspose"), 3);
    }

    /// Two maps are enlarged behind the products of their taps, which no node resizes.
    #[test]
    fn a_multi_level_neck_has_maps_of_four_sizes() {
        let folder = golden("vit-multi-level");
        let mut config = vit(&folder);
        for (pads, expected) in [
            (false, [[12, 20], [6, 10], [3, 5], [1, 2]]),
            (true, [[16, 24], [8, 12], [4, 6], [2, 3]]),
        ] {
            config.pad_to_patches = pads;
            let (graph, maps) = lowered(&folder, &config).expect("it has all weights");
            let sizes: Vec<_> = maps.iter().map(|map| map.size.clone()).collect();
            assert_eq!(sizes, expected.map(|size| size.map(Size::Fixed)));
            assert_eq!(count(&graph, "Pad"), usize::from(pads));
        }
        assert_eq!(config.refusal([6, 6]), None);
        assert_eq!(
            config.refusal([5, 6]).as_deref(),
            Some("at least 6 x 6 pixels: two patches, to be halved")
        );
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        assert_eq!(count(&graph, "Resize"), 1);
        // That of patches, and two of each level.
        assert_eq!(count(&graph, "Conv"), 1 + 2 * 4);
        let norms = count(&graph, "LayerNormalization");
        assert_eq!(norms, 2 * 4 + 1, "the last map has the final norm");
        config.apply_layernorm = HfVitOutputNorm::Never;
        let (graph, _) = lowered(&folder, &config).expect("it has all weights");
        assert_eq!(count(&graph, "LayerNormalization"), norms - 1);
        config.neck = Some(HfNeck::MultiLevel { channels: 99 });
        let error = lowered(&folder, &config).expect_err("the golden has other channels");
        assert!(matches!(&error, Error::Shape { .. }), "{error}");
    }

    #[test]
    fn a_feature_pyramid_needs_weights_of_its_own_and_two_patches() {
        let folder = golden("dinov2");
        let config = HfDinov2Config {
            neck: Some(HfNeck::FeaturePyramid),
            ..dinov2(&folder)
        };
        let error = lowered(&folder, &config).expect_err("the golden has no neck");
        let first = "backbone.neck.fpn1.conv_transpose1.weight";
        assert!(
            matches!(&error, Error::Missing { key } if key == first),
            "{error}"
        );
        assert_eq!(config.refusal([10, 64]), None);
        assert_eq!(
            config.refusal([64, 9]).as_deref(),
            Some("at least 10 x 10 pixels: two patches, to be halved")
        );
        assert_eq!(dinov2(&folder).refusal([64, 9]), None);
    }
}
