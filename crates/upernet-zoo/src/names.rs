//! The tensors of a checkpoint by their names on the hub, whichever library named them.

mod gates;

use std::collections::BTreeMap;

use upernet_hf::weights::Checkpoint;

use crate::{
    Dialect, Dropped, Error,
    dialects::{self, Change, Place, Recognised},
    keys::{
        backbone_dialect, backbone_key, backbone_wrapper, dialect, is_backbone, is_plain,
        network_wrapper, plain_dialect, plain_key, to_hub,
    },
    parameters::HubParameter,
};

/// Why a tensor outside of the backbone is left out where the backbone alone is wanted.
const NOT_THE_BACKBONES: &str = "not the backbone's";

/// Where a tensor of the hub comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its name in the file.
    pub(crate) name: String,
    /// Another tensor of the file, whose rows follow.
    pub(crate) below: Option<String>,
    /// What becomes of its values.
    pub(crate) change: Change,
    /// How they lie.
    pub(crate) layout: Layout,
}

/// How the values of a tensor lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As files of the hub have them.
    Hub,
    /// As our modules hold them.
    Module,
}

impl Source {
    /// The shape of the tensor as it is wanted; `None` if the file has none of that name.
    pub(crate) fn shape(&self, checkpoint: &Checkpoint) -> Option<Vec<usize>> {
        let shape = self.change.shape(checkpoint.info(&self.name)?.shape());
        match &self.below {
            None => Some(shape),
            Some(below) => on_top(&shape, checkpoint.info(below)?.shape()),
        }
    }

    /// The values of the hub's tensor.
    pub(crate) fn read(&self, checkpoint: &Checkpoint) -> Result<Vec<f32>, upernet_hf::Error> {
        let values = checkpoint.read_finite_f32(&self.name)?;
        let shape = checkpoint
            .info(&self.name)
            .map_or(&[][..], |info| info.shape());
        let mut values = self.change.apply(values, shape);
        if let Some(below) = &self.below {
            values.extend(checkpoint.read_finite_f32(below)?);
        }
        Ok(values)
    }
}

/// The tensors of a checkpoint by their names on the hub.
#[derive(Debug)]
pub(crate) struct HubNames {
    pub(crate) dialect: Dialect,
    /// Hub key to the tensor in the file. What has no key on the hub is here under its own name.
    pub(crate) names: BTreeMap<String, Source>,
    /// What is left out.
    pub(crate) dropped: Vec<Dropped>,
}

impl HubNames {
    /// Those of a whole UPerNet, whose parameters are known.
    pub(crate) fn of_network_with(
        checkpoint: &Checkpoint,
        parameters: &[HubParameter],
    ) -> Result<Self, Error> {
        if checkpoint.is_burnpack() {
            Ok(Self::of_modules(checkpoint, parameters))
        } else {
            Self::of_network(checkpoint)
        }
    }

    /// Those of a burnpack: the paths of the parameters.
    pub(crate) fn of_modules(checkpoint: &Checkpoint, parameters: &[HubParameter]) -> Self {
        let mut names = Self::new(Dialect::Burn);
        let paths: BTreeMap<&str, &str> = parameters
            .iter()
            .map(|parameter| (parameter.path.as_str(), parameter.key.as_str()))
            .collect();
        for path in keys(checkpoint) {
            let key = paths.get(path).copied().unwrap_or(path);
            let source = Source {
                name: path.to_owned(),
                below: None,
                change: Change::Same,
                layout: Layout::Module,
            };
            names.insert_source(key.to_owned(), source);
        }
        names
    }

    /// Those of a whole UPerNet in the names of a library.
    pub(crate) fn of_network(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let keys = keys(checkpoint);
        let Some(found) = recognised(checkpoint, &keys)? else {
            let wrapper = network_wrapper(&keys);
            let inner = keys
                .iter()
                .map(|key| key.strip_prefix(wrapper).unwrap_or(key));
            let own: Vec<&str> = inner.collect();
            let pairs = own.iter().zip(&keys);
            if is_plain(&own) {
                let mut names = Self::new(plain_dialect(own.iter().copied()));
                for (own, key) in pairs {
                    let hub = plain_key(own).filter(|_| own.starts_with("backbone."));
                    names.insert(hub.unwrap_or_else(|| (*own).to_owned()), key, Change::Same);
                }
                names.join_gates(checkpoint);
                return Ok(names);
            }
            let mut names = Self::new(dialect(own.iter().copied()));
            for (own, key) in pairs {
                names.insert(to_hub(own, names.dialect), key, Change::Same);
            }
            return Ok(names);
        };
        // torchvision has no segmentation network, and mmsegmentation its names of a ResNet.
        let mut names = Self::new(match found.dialect() {
            Dialect::Torchvision => Dialect::MmSegmentation,
            other => other,
        });
        for key in keys {
            let inner = key.strip_prefix(found.outer_prefix()).unwrap_or(key);
            match dialects::head_key(inner) {
                Some(hub) => names.insert(hub, key, Change::Same),
                None => names.put(key, found.place(key).unwrap_or(Place::Unknown)),
            }
        }
        names.tell_gates(checkpoint);
        Ok(names)
    }

    /// Those of a backbone in a network whose parameters are known; the rest of it is left out.
    pub(crate) fn of_backbone_with(
        checkpoint: &Checkpoint,
        parameters: &[HubParameter],
    ) -> Result<Self, Error> {
        if !checkpoint.is_burnpack() {
            return Self::of_backbone(checkpoint);
        }
        let mut names = Self::of_modules(checkpoint, parameters);
        let others = names.names.extract_if(.., |key, _| !is_backbone(key));
        let others: Vec<Dropped> = others
            .map(|(key, _)| Dropped {
                key,
                reason: NOT_THE_BACKBONES,
            })
            .collect();
        names.dropped = others;
        Ok(names)
    }

    /// Those of a backbone, on its own or with more around it, which is left out.
    pub(crate) fn of_backbone(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let keys = keys(checkpoint);
        let Some(found) = recognised(checkpoint, &keys)? else {
            let wrapper = backbone_wrapper(&keys);
            let inner = keys
                .iter()
                .map(|key| key.strip_prefix(wrapper).unwrap_or(key));
            let own: Vec<&str> = inner.collect();
            let is_plain = is_plain(&own);
            let mut names = Self::new(if is_plain {
                plain_dialect(own.iter().copied())
            } else {
                backbone_dialect(own.iter().copied())
            });
            let hub_key = if is_plain { plain_key } else { backbone_key };
            for (own, key) in own.into_iter().zip(keys) {
                match hub_key(own) {
                    Some(hub) => names.insert(hub, key, Change::Same),
                    None => names.put(key, Place::Dropped(NOT_THE_BACKBONES)),
                }
            }
            if is_plain {
                names.join_gates(checkpoint);
            }
            return Ok(names);
        };
        let mut names = Self::new(found.dialect());
        for key in keys {
            let inner = key.strip_prefix(found.outer_prefix()).unwrap_or(key);
            let place = match dialects::head_key(inner) {
                None => found.place(key),
                Some(_) => None,
            };
            names.put(key, place.unwrap_or(Place::Dropped(NOT_THE_BACKBONES)));
        }
        names.tell_gates(checkpoint);
        Ok(names)
    }

    /// Takes out the names whose hub key `is_out` is true of, and returns those keys, sorted.
    pub(crate) fn take_out(&mut self, is_out: impl Fn(&str) -> bool) -> Vec<String> {
        self.names
            .extract_if(.., |key, _| is_out(key))
            .map(|(key, _)| key)
            .collect()
    }

    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            names: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    fn put(&mut self, key: &str, place: Place) {
        match place {
            Place::Hub(parts) => {
                for (hub, change) in parts {
                    self.insert(hub, key, change);
                }
            }
            Place::Dropped(reason) => self.dropped.push(Dropped {
                key: key.to_owned(),
                reason,
            }),
            Place::Unknown => self.insert(key.to_owned(), key, Change::Same),
        }
    }

    fn insert(&mut self, hub: String, name: &str, change: Change) {
        let source = Source {
            name: name.to_owned(),
            below: None,
            change,
            layout: Layout::Hub,
        };
        self.insert_source(hub, source);
    }

    /// Two names for one key: the second then fits nowhere, under a name that says why.
    fn insert_source(&mut self, hub: String, source: Source) {
        let hub = if self.names.contains_key(&hub) {
            format!("{}, a second {hub}", source.name)
        } else {
            hub
        };
        self.names.insert(hub, source);
    }
}

/// The shape of one tensor with another's rows below its own, if these are as long.
fn on_top(shape: &[usize], below: &[usize]) -> Option<Vec<usize>> {
    match (shape, below) {
        ([rows, row @ ..], [more, other @ ..]) if row == other => {
            Some([&[rows.checked_add(*more)?], row].concat())
        }
        _ => None,
    }
}

fn keys(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.tensors().map(|(name, _)| name).collect()
}

/// The other library whose backbone this is; `None` if the names are Hugging Face's, or nobody's.
fn recognised(checkpoint: &Checkpoint, keys: &[&str]) -> Result<Option<Recognised>, Error> {
    let found = dialects::recognise(keys);
    match dialects::refusal(keys, found.is_some()) {
        None => Ok(found),
        Some(refusal) => Err(Error::UnsupportedWeights {
            path: checkpoint.files()[0].clone(),
            what: refusal.what,
            reason: refusal.reason,
        }),
    }
}
