//! Pyramid pooling and the UPer head. Upstream: `UperNetPyramidPoolingModule`, `UperNetHead`.

use upernet_hf::config::HfConfig;

use crate::{
    Error,
    graph::Graph,
    layers::{Map, Window},
};

impl Graph<'_> {
    /// The logits at the finest map's size; `maps` come finest first.
    pub(crate) fn uper_head(&mut self, config: &HfConfig, maps: &[Map]) -> Result<Map, Error> {
        let channels = config.hidden_size;
        let (last, finer) = maps.split_last().expect("a backbone returns a map");
        let mut laterals = Vec::with_capacity(maps.len());
        for (level, map) in finer.iter().enumerate() {
            let path = format!("decode_head.lateral_convs.{level}");
            laterals.push(self.conv_module(&path, map, channels, Window::same(1))?);
        }
        laterals.push(self.pyramid_pooling(config, last)?);

        for level in (1..maps.len()).rev() {
            let path = format!("decode_head.top_down.{}", level - 1);
            let coarser = laterals[level].clone();
            let finer = &mut laterals[level - 1];
            let resized = self.resize(&path, &coarser, &finer.size);
            finer.value = self.node(&path, "Add", &[&finer.value, &resized.value], Vec::new());
        }

        // The coarsest level is the pyramid pooling's, which has had its convolution.
        let levels = laterals.len() - 1;
        for (level, lateral) in laterals[..levels].iter_mut().enumerate() {
            let path = format!("decode_head.fpn_convs.{level}");
            *lateral = self.conv_module(&path, lateral, channels, Window::same(3))?;
        }
        let path = "decode_head.fpn_bottleneck";
        let joined = self.fused_conv_module(path, &laterals[0], &laterals[1..], channels)?;
        let (path, labels) = ("decode_head.classifier", config.num_labels());
        self.conv(path, &joined, labels, Window::same(1))
    }

    /// The coarsest map, with its averages on several grids.
    fn pyramid_pooling(&mut self, config: &HfConfig, x: &Map) -> Result<Map, Error> {
        let channels = config.hidden_size;
        let mut grids = Vec::with_capacity(config.pool_scales.len());
        for (branch, &cells) in config.pool_scales.iter().enumerate() {
            let path = format!("decode_head.psp_modules.{branch}");
            let grid = self.average(&path, x, cells);
            grids.push(self.conv_module(&format!("{path}.1"), &grid, channels, Window::same(1))?);
        }
        self.fused_conv_module("decode_head.bottleneck", x, &grids, channels)
    }
}
