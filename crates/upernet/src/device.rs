//! Compute devices by name: those that this build knows and this machine has.
//!
//! Nothing falls back: a device that is not compiled in or not there is an error that lists those
//! that are. `auto` is the only name that chooses, and whoever asks for it should say what it chose.

use std::{cell::Cell, env, fmt, panic, sync::Once};

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, DeviceType};

/// A device that can be opened.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name, as [`open`] takes it, such as `flex` or `vulkan:1`.
    pub name: String,
    /// burn's handle on it.
    pub device: Device,
}

/// Why there is no such device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The text names no backend of this project.
    Unknown {
        /// The text.
        name: String,
    },
    /// The backend is not compiled in.
    NotCompiled {
        /// The backend.
        backend: &'static str,
        /// Names of the devices that can be opened.
        available: Vec<String>,
    },
    /// The backend is compiled in but finds no such device.
    NotFound {
        /// The name asked for.
        name: String,
        /// What the backend's driver said, if it failed.
        reason: Option<String>,
        /// Names of the devices that can be opened.
        available: Vec<String>,
    },
    /// A device of another machine cannot be used.
    Remote {
        /// The name asked for.
        name: String,
        /// What is wrong there, or on the way.
        problem: String,
    },
}

impl Found {
    /// Whether this is a graphics driver that computes on the processor, such as Mesa's lavapipe.
    ///
    /// Many machines without a GPU have one, since desktops draw with it.
    #[must_use]
    pub fn is_software(&self) -> bool {
        match self.name.split(':').next() {
            #[cfg(feature = "wgpu")]
            Some("wgpu") => self.device == Device::wgpu(DeviceKind::Cpu),
            #[cfg(feature = "vulkan")]
            Some("vulkan") => self.device == Device::vulkan(DeviceKind::Cpu),
            #[cfg(feature = "metal")]
            Some("metal") => self.device == Device::metal(DeviceKind::Cpu),
            _ => false,
        }
    }
}

/// Every backend this project knows, the one that `auto` prefers first.
pub const BACKENDS: [&str; 8] = [
    "cuda", "rocm", "metal", "vulkan", "wgpu", "flex", "cpu", "ndarray",
];

/// Names of the backends that are compiled in, in the order of [`BACKENDS`].
#[must_use]
pub fn compiled() -> Vec<&'static str> {
    BACKENDS
        .into_iter()
        .filter(|backend| device_type(backend).is_some())
        .collect()
}

/// Opens the device of that name: `auto`, `flex`, `ndarray`, `cpu`, `metal`, or `wgpu`, `vulkan`,
/// `cuda`, `rocm` with an optional `:n` that counts the backend's devices from 0; or, with the feature
/// `remote`, `remote:host:port` with an optional `/n`, a device that another machine lends.
///
/// `auto` is the first device found in the order of [`BACKENDS`], graphics drivers that compute on
/// the processor left aside as long as there is another: they are far slower than flex.
///
/// # Errors
///
/// Returns an error that lists the devices that can be opened if the name is unknown, its backend is
/// not compiled in, or the machine has no such device; and one that says why if a remote device does not
/// answer within seconds.
///
/// # Example
///
/// ```
/// use upernet::device;
///
/// let flex = device::open("flex")?;
/// let error = device::open("flex:1").unwrap_err();
/// assert_eq!(error.to_string(), "no device flex:1 on this machine; there are: flex");
/// # Ok::<(), device::DeviceError>(())
/// ```
pub fn open(name: &str) -> Result<Device, DeviceError> {
    Ok(find(name)?.device)
}

/// [`open`], returning also the name of the device, which `auto` leaves open.
///
/// # Errors
///
/// As [`open`].
pub fn find(name: &str) -> Result<Found, DeviceError> {
    if name == "auto" {
        return preferred(found(), Found::is_software).ok_or_else(|| DeviceError::NotFound {
            name: name.to_owned(),
            reason: None,
            available: Vec::new(),
        });
    }
    if name.starts_with("remote:") {
        return remote(name);
    }
    let (backend, index) = parse(name)?;
    if device_type(backend).is_none() {
        return Err(DeviceError::NotCompiled {
            backend,
            available: names(found()),
        });
    }
    let (devices, reason) = match enumerate(backend) {
        Ok(devices) => (devices, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    devices
        .into_iter()
        .nth(index)
        .ok_or_else(|| DeviceError::NotFound {
            name: name.to_owned(),
            reason,
            available: names(found()),
        })
}

/// Opens the device that an environment variable names; without the variable, flex.
///
/// For tests and tools that run one suite on many devices.
///
/// # Errors
///
/// As [`open`].
pub fn from_env(variable: &str) -> Result<Device, DeviceError> {
    open(&env::var(variable).unwrap_or_else(|_| "flex".to_owned()))
}

/// Every device that can be opened, in the order of [`BACKENDS`].
#[must_use]
pub fn found() -> Vec<Found> {
    compiled()
        .into_iter()
        .flat_map(|backend| enumerate(backend).unwrap_or_default())
        .collect()
}

/// The devices of one backend, or what its driver said when it was asked.
///
/// # Errors
///
/// Returns the driver's message if it fails; a backend that is not compiled in has no devices.
pub fn enumerate(backend: &str) -> Result<Vec<Found>, String> {
    let Some(device_type) = device_type(backend) else {
        return Ok(Vec::new());
    };
    // Drivers are asked through code that panics where it cannot load them.
    let devices = quietly(move || Device::enumerate(device_type).into_vec())?;
    let single = devices.len() == 1;
    let name = |index: usize| match index {
        0 if single => backend.to_owned(),
        _ => format!("{backend}:{index}"),
    };
    let named = devices.into_iter().enumerate();
    Ok(named
        .map(|(index, device)| Found {
            name: name(index),
            device,
        })
        .collect())
}

/// The first that is no software driver, or the first of all.
fn preferred(found: Vec<Found>, is_software: impl Fn(&Found) -> bool) -> Option<Found> {
    let (drivers, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_software);
    others.into_iter().chain(drivers).next()
}

/// Runs `action`, turning a panic into its message and keeping it off stderr.
///
/// The hook is set once and only hides panics of threads that ask for it: hooks belong to the whole
/// process, so setting and restoring one here would lose messages of other threads.
fn quietly<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    HOOK.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                shown(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(action));
    QUIET.set(false);
    result.map_err(|payload| {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
        message
            .unwrap_or("the driver failed")
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    })
}

#[cfg(feature = "remote")]
fn remote(name: &str) -> Result<Found, DeviceError> {
    use crate::remote::{RemoteAddress, connect, token_from_env};
    let address: RemoteAddress = name.parse()?;
    Ok(Found {
        name: address.to_string(),
        device: connect(&address, token_from_env().as_deref())?,
    })
}

#[cfg(not(feature = "remote"))]
fn remote(_name: &str) -> Result<Found, DeviceError> {
    Err(DeviceError::NotCompiled {
        backend: "remote",
        available: names(found()),
    })
}

fn parse(name: &str) -> Result<(&'static str, usize), DeviceError> {
    let unknown = || DeviceError::Unknown {
        name: name.to_owned(),
    };
    let (backend, index) = match name.split_once(':') {
        Some((backend, index)) => (backend, index.parse().map_err(|_| unknown())?),
        None => (name, 0),
    };
    let backend = BACKENDS
        .into_iter()
        .find(|known| *known == backend)
        .ok_or_else(unknown)?;
    Ok((backend, index))
}

fn names(devices: Vec<Found>) -> Vec<String> {
    devices.into_iter().map(|found| found.name).collect()
}

/// burn's name of a backend, if it is compiled in.
fn device_type(backend: &str) -> Option<DeviceType> {
    match backend {
        #[cfg(feature = "cuda")]
        "cuda" => Some(DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        "rocm" => Some(DeviceType::Rocm),
        #[cfg(feature = "metal")]
        "metal" => Some(DeviceType::Metal),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(DeviceType::Vulkan),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(DeviceType::Wgpu),
        #[cfg(feature = "flex")]
        "flex" => Some(DeviceType::Flex),
        #[cfg(feature = "cpu")]
        "cpu" => Some(DeviceType::Cpu),
        #[cfg(feature = "ndarray")]
        "ndarray" => Some(DeviceType::NdArray),
        _ => None,
    }
}

impl std::error::Error for DeviceError {}

impl fmt::Display for DeviceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there_are = |available: &[String]| match available {
            [] => "there is none".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        match self {
            Self::Unknown { name } => write!(
                formatter,
                "no device is called {name:?}; devices are auto, {}, those with several as name:n, and \
                 remote:host:port",
                BACKENDS.join(", ")
            ),
            Self::NotCompiled { backend, available } => write!(
                formatter,
                "this build has no {backend} backend (build with --features {backend}); {}",
                there_are(available)
            ),
            Self::NotFound {
                name,
                reason,
                available,
            } => {
                write!(formatter, "no device {name} on this machine")?;
                if let Some(reason) = reason {
                    write!(formatter, " ({reason})")?;
                }
                write!(formatter, "; {}", there_are(available))
            }
            Self::Remote { name, problem } => write!(formatter, "no device {name}: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flex_is_found() {
        assert!(compiled().contains(&"flex"));
        assert!(names(found()).contains(&"flex".to_owned()));
        assert!(open("auto").is_ok());
    }

    #[test]
    fn unknown_names_are_told_from_missing_backends() {
        assert!(matches!(open("gpu"), Err(DeviceError::Unknown { .. })));
        assert!(matches!(open("vulkan:x"), Err(DeviceError::Unknown { .. })));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_backend_that_is_not_compiled_in_says_how_to_get_it() {
        let error = open("cuda:1").expect_err("not compiled in").to_string();
        assert!(
            error.contains("--features cuda") && error.contains("flex"),
            "{error}"
        );
    }

    #[cfg(not(feature = "remote"))]
    #[test]
    fn remote_devices_too() {
        let error = open("remote:gpu:7700")
            .expect_err("not compiled in")
            .to_string();
        assert!(error.contains("--features remote"), "{error}");
    }

    #[cfg(feature = "remote")]
    #[test]
    fn what_is_no_remote_address_is_an_unknown_name() {
        assert!(matches!(
            open("remote:gpu"),
            Err(DeviceError::Unknown { .. })
        ));
    }

    #[test]
    fn software_drivers_are_the_last_choice() {
        let found = |names: &[&str]| -> Vec<Found> {
            let named = names.iter().map(|&name| Found {
                name: name.to_owned(),
                device: Device::flex(),
            });
            named.collect()
        };
        let choice = |names| preferred(found(names), |found| found.name.ends_with('s'));
        let name = |names| choice(names).map(|found| found.name);
        assert_eq!(
            name(&["wgpu:s", "vulkan", "flex"]).as_deref(),
            Some("vulkan")
        );
        assert_eq!(name(&["wgpu:s", "vulkan:s"]).as_deref(), Some("wgpu:s"));
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn a_panicking_driver_is_a_message() {
        assert_eq!(
            quietly(|| -> u8 { panic!("no driver\nbacktrace") }),
            Err("no driver".to_owned())
        );
    }
}
