//! Plays the stories in `streams/`, which the SDK for browsers plays too: what a stream does, call by call.

mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};
use trace::{CALLS, Trace, play};

/// All traces by file name. Whatever else lies in the folder is a mistake, and so is a trace that cannot be read.
fn traces() -> BTreeMap<String, Trace> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../streams");
    let paths = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("is readable").path());
    let traces: BTreeMap<_, _> = paths
        .map(|path| {
            let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
            assert!(name.ends_with(".json"), "{name} is no trace");
            let text = fs::read_to_string(&path).expect("is readable");
            (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    assert!(!traces.is_empty());
    traces
}

fn given(trace: &Trace) -> Vec<Value> {
    trace.steps.iter().map(|step| step.gives.clone()).collect()
}

#[test]
fn every_story_goes_as_it_is_told() {
    let mut wrong = String::new();
    for (name, trace) in traces() {
        assert!(!trace.steps.is_empty(), "{name} is empty");
        let first = play(&trace).into_iter().zip(given(&trace)).enumerate().find(|(_, (gave, told))| gave != told);
        if let Some((index, (gave, told))) = first {
            let step = &trace.steps[index];
            wrong += &format!("{name}: {}\n  step {} {step:?}\n  gave {gave}\n  not  {told}\n", trace.story, index + 1);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_stories_call_everything_that_a_stream_can_do() {
    let called: BTreeSet<_> =
        traces().into_values().flat_map(|trace| trace.steps).map(|step| step.call.name()).collect();
    assert_eq!(called, BTreeSet::from(CALLS));
}

#[test]
fn each_story_is_played_to_its_end_so_that_another_last_answer_is_noticed() {
    for (name, mut trace) in traces() {
        trace.steps.last_mut().expect("has steps").gives = json!("something else");
        assert_ne!(play(&trace), given(&trace), "{name}");
    }
}

#[test]
fn a_story_whose_epochs_differ_by_one_is_noticed() {
    let traces = traces();
    let noticed = traces.values().filter(|trace| {
        let epochs = trace.epochs.map(|e| e.wrapping_add(1));
        play(&Trace { epochs, ..(*trace).clone() }) != given(trace)
    });
    assert!(noticed.count() > traces.len() / 2);
}

#[test]
fn a_call_or_a_field_that_does_not_exist_is_an_error() {
    let read = |step: Value| serde_json::from_value::<Trace>(json!({ "story": "", "epochs": [1, 2], "steps": [step] }));
    assert!(read(json!({ "at": 0, "end": "a", "call": "size", "gives": 0 })).is_ok());
    assert!(read(json!({ "at": 0, "end": "a", "call": "jump", "gives": null })).is_err());
    assert!(read(json!({ "at": 0, "end": "c", "call": "size", "gives": 0 })).is_err());
    assert!(read(json!({ "at": 0, "end": "a", "call": "size" })).is_err());
    assert!(read(json!({ "at": 0, "end": "a", "call": "size", "high": 1, "gives": 0 })).is_err());
}
