//! Weights of photos for images with other bands than red, green and blue.

use upernet_hf::weights::Checkpoint;

use crate::{dialects::Change, names::HubNames, parameters::HubParameter};

/// Bands of a photo.
const RGB: usize = 3;

/// Has the stem's convolution fitted to the network's bands, if the weights are of photos and the network
/// is not, and says so.
///
/// The rule is that of timm's `adapt_input_conv`: for one band the three kernels are summed; for others
/// they are repeated in turn, times three over the number of bands, so that what the stem makes of bands
/// alike stays what it was.
pub(super) fn fit(
    names: &mut HubNames,
    checkpoint: &Checkpoint,
    parameters: &[HubParameter],
) -> Option<String> {
    // The stem comes first, and tokens and positions before it are no convolutions.
    let stem = parameters
        .iter()
        .find(|parameter| parameter.shape.len() == 4)?;
    let source = names.names.get_mut(&stem.key)?;
    let found = source.shape(checkpoint)?;
    let bands = stem.shape[1];
    let mut of_photos = stem.shape.clone();
    of_photos[1] = RGB;
    if bands == RGB || found != of_photos || source.change != Change::Same {
        return None;
    }
    source.change = Change::Bands(bands);
    Some(if bands == 1 {
        "the weights are of 3 bands, the network has 1: the stem's kernels are summed".to_owned()
    } else {
        format!(
            "the weights are of 3 bands, the network has {bands}: the stem's kernels are repeated in turn, \
             times 3/{bands}"
        )
    })
}
