//! `devices`, `doctor`, and devices that are not there.

use crate::support::{Place, photo, run, tiny};

#[test]
fn devices_lists_every_backend() {
    let json = run(["devices", "--json"]).succeeded().json();
    let backends = json["backends"].as_array().unwrap();
    assert_eq!(backends.len(), 8);
    let flex = backends
        .iter()
        .find(|backend| backend["backend"] == "flex")
        .unwrap();
    assert_eq!(
        (&flex["compiled"], &flex["devices"][0]),
        (&true.into(), &"flex".into())
    );
    let table = run(["devices"]).succeeded().stdout;
    assert_eq!(table.lines().count(), 9, "{table}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_backend_that_is_not_in_this_build_says_how_to_get_it() {
    let place = Place::new();
    let out = place.arg("out");
    for device in ["cuda", "cuda:3"] {
        let args = [
            "segment",
            &photo(),
            "-m",
            &tiny(),
            "-o",
            &out,
            "--device",
            device,
        ];
        run(args).refused(5, "build with --features cuda); there are: flex");
    }
    // The device comes first: neither model nor photo is looked for.
    let args = [
        "segment", "no.jpg", "-m", "no/model", "-o", &out, "--device", "cuda",
    ];
    run(args).refused(5, "no cuda backend");
    run(["doctor", "--device", "cuda"]).refused(5, "no cuda backend");
    assert!(!place.path("out").exists());
}

#[test]
fn a_device_that_is_not_there_is_told_from_no_device_at_all() {
    let place = Place::new();
    let out = place.arg("out");
    for (device, code, needle) in [
        (
            "flex:1",
            5,
            "no device flex:1 on this machine; there are: flex",
        ),
        ("gpu", 2, "no device is called \"gpu\""),
        ("flex:one", 2, "no device is called"),
    ] {
        let args = [
            "segment",
            &photo(),
            "-m",
            &tiny(),
            "-o",
            &out,
            "--device",
            device,
        ];
        run(args).refused(code, needle);
    }
}

#[test]
fn doctor_finds_flex_in_good_health() {
    let ended = run(["doctor", "--device", "flex", "--json"]).succeeded();
    let json = ended.json();
    assert_eq!(
        (&json["device"], &json["ok"]),
        (&"flex".into(), &true.into())
    );
    let checks = json["checks"].as_array().unwrap();
    let names: Vec<&str> = checks
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    for name in [
        "convolution 3x3",
        "gelu",
        "Swin UPerNet",
        "Swin V2 UPerNet",
        "ConvNeXt UPerNet",
        "ConvNeXt V2 UPerNet",
        "ResNet UPerNet",
        "BEiT UPerNet",
        "DINOv2 UPerNet",
        "DINOv3 ViT UPerNet",
        "PVTv2 UPerNet",
        "ViT feature pyramid UPerNet",
    ] {
        assert!(names.contains(&name), "{name} is not checked");
    }
    for check in checks {
        assert_eq!(check["result"], "ok", "{check}");
        assert!(check["forward"].as_f64().unwrap() <= check["allowed_forward"].as_f64().unwrap());
    }
}

#[test]
fn a_check_that_does_not_exist_is_a_usage_error() {
    run(["doctor", "--only", "telepathy", "--device", "flex"]).refused(2, "telepathy");
}
