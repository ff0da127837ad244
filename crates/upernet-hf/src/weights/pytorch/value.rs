//! What a pickle of weights is made of.

use crate::weights::Dtype;

/// A value's place in the [`Heap`].
pub(super) type Reference = u32;

/// Values that a pickle may make. `torch.save` makes a few dozen for each tensor; of these many, the largest
/// take 66 MB.
pub(super) const MAX_OBJECTS: usize = 1 << 18;

/// One value of a pickle; containers refer to others by their place, so nothing is ever copied,
/// nested, or dropped recursively.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Integer(i64),
    /// A floating-point number or an integer of more than 64 bits, which no tensor needs.
    OtherNumber,
    Text(&'a str),
    Callable(Callable),
    Tuple(Vec<Reference>),
    List(Vec<Reference>),
    Dict(Vec<(Reference, Reference)>),
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
    /// An object that is no tensor, of a class that is known to be kept beside weights. Nothing is made
    /// of it, and nothing is asked of it.
    Bystander,
}

/// The classes and functions that a pickle of weights may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callable {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageType(Dtype),
    /// What makes a [`Value::Bystander`].
    Bystander,
}

/// Classes and functions of what training scripts keep beside the weights: settings, and logged numbers.
/// They are never called.
const BYSTANDERS: [(&str, &str); 12] = [
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("mmengine.config.config", "ConfigDict"),
    ("mmengine.logging.history_buffer", "HistoryBuffer"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("pathlib", "PosixPath"),
    ("yacs.config", "CfgNode"),
];

/// A run of elements in an entry of the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) dtype: Dtype,
    /// Name of the entry, below `data/`.
    pub(super) key: &'a str,
    pub(super) elements: u64,
}

/// A tensor: some elements of a storage, in some order.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    /// Element of the storage at which the tensor starts.
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    /// Elements of the storage between two neighbours along each axis.
    pub(super) strides: Vec<u64>,
}

impl Value<'_> {
    /// Names the kind of value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::OtherNumber => "a number",
            Self::Text(_) => "a string",
            Self::Callable(_) => "a class or function",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Bystander => "an object",
        }
    }
}

impl Callable {
    /// Finds what a pickle may name; everything else is refused.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        let dtype = match (module, name) {
            ("collections", "OrderedDict") => return Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => return Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => return Some(Self::RebuildParameter),
            ("torch", "DoubleStorage") => Dtype::F64,
            ("torch", "FloatStorage") => Dtype::F32,
            ("torch", "HalfStorage") => Dtype::F16,
            ("torch", "BFloat16Storage") => Dtype::BF16,
            ("torch", "LongStorage") => Dtype::I64,
            ("torch", "IntStorage") => Dtype::I32,
            ("torch", "ShortStorage") => Dtype::I16,
            ("torch", "CharStorage") => Dtype::I8,
            ("torch", "ByteStorage") => Dtype::U8,
            ("torch", "BoolStorage") => Dtype::Bool,
            other => return BYSTANDERS.contains(&other).then_some(Self::Bystander),
        };
        Some(Self::StorageType(dtype))
    }
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Heap<'a> {
    values: Vec<Value<'a>>,
}

impl<'a> Heap<'a> {
    /// Keeps a value, unless there are too many already.
    pub(super) fn keep(&mut self, value: Value<'a>) -> Option<Reference> {
        let reference = Reference::try_from(self.values.len()).ok()?;
        (self.values.len() < MAX_OBJECTS).then(|| self.values.push(value))?;
        Some(reference)
    }

    /// Returns a value; a reference is only ever made by [`keep`](Self::keep).
    pub(super) fn get(&self, reference: Reference) -> &Value<'a> {
        &self.values[reference as usize]
    }

    /// Returns every storage that a tensor was made of.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// Returns a value to be changed.
    pub(super) fn get_mut(&mut self, reference: Reference) -> &mut Value<'a> {
        &mut self.values[reference as usize]
    }
}
