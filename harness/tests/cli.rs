//! The command line: what it prints, its exit status, and what it says to wrong input.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernels::Isa;
use serde_json::Value;

fn harness(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_harness")).args(args).output();
    output.unwrap_or_else(|error| panic!("harness {args:?}: {error}"))
}

/// The lines of a run that must succeed, parsed.
fn json(args: &[&str]) -> Vec<Value> {
    let output = harness(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    text.lines().map(parse).collect()
}

/// The fields of an object, in alphabetical order.
fn fields(object: &Value) -> Vec<&str> {
    object.as_object().map_or(Vec::new(), |object| object.keys().map(String::as_str).collect())
}

/// What a run that must fail with status 2 says.
fn refusal(args: &[&str]) -> String {
    let output = harness(args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert!(message.starts_with("error: "), "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    message
}

#[test]
fn bench_prints_one_object_for_each_shape() {
    for mode in ["infer", "train", "step"] {
        let args = ["bench", "--shape", "4,3,2,5", "--shape", "9,2,1,2", "--mode", mode, "--json"];
        let lines = json(&args);
        assert_eq!(lines.len(), 2);
        for (line, shape) in lines.iter().zip([[4, 3, 2, 5], [9, 2, 1, 2]]) {
            let names = ["dtype", "gflops", "isa", "layers", "median_us", "min_us", "mode", "peer"];
            assert_eq!(fields(line), [&names[..], &["shape", "threads"]].concat());
            assert_eq!(line["peer"], "lstm");
            assert_eq!(line["mode"], mode);
            assert_eq!(line["shape"], Value::from(shape.to_vec()));
            assert_eq!((&line["layers"], &line["threads"]), (&1.into(), &1.into()));
            assert_eq!(line["dtype"], "f32");
            assert_eq!(line["isa"], Isa::best().name());
            for number in ["median_us", "min_us", "gflops"] {
                assert!(line[number].as_f64() > Some(0.0), "{number}: {line}");
            }
            assert!(line["min_us"].as_f64() <= line["median_us"].as_f64());
        }
    }
}

#[test]
fn latency_prints_one_object_for_each_layer() {
    let args = "latency --units 8 --units 20 --batch 2 --steps 500 --json";
    let lines = json(&args.split(' ').collect::<Vec<_>>());
    assert_eq!(lines.len(), 2);
    for (line, units) in lines.iter().zip([8, 20]) {
        let names = [
            "allocations",
            "batch",
            "clock_ns",
            "dtype",
            "inputs",
            "isa",
            "max_ns",
            "mean_ns",
            "p50_ns",
            "p999_ns",
            "p99_ns",
            "steps",
            "units",
        ];
        assert_eq!(fields(line), names);
        assert_eq!((&line["units"], &line["batch"]), (&units.into(), &2.into()));
        assert_eq!((&line["steps"], &line["allocations"]), (&500.into(), &0.into()));
        let [p50, p99, p999, max] =
            ["p50_ns", "p99_ns", "p999_ns", "max_ns"].map(|name| line[name].as_f64());
        assert!(Some(0.0) < p50 && p50 <= p99 && p99 <= p999 && p999 <= max, "{line}");
    }
}

#[test]
fn linear_prints_one_object_for_each_size_and_plots_them() {
    let plot = empty_folder("linear").join("linear.svg");
    let file = plot.to_str().unwrap();
    let sizes = ["linear", "--shape", "1,1,2,1", "--mode", "infer", "--seconds", "1"];
    let lines = json(&[&sizes[..], &["--json", "--svg", file]].concat());
    assert_eq!(lines.len(), 14);
    for (line, axis) in lines.iter().zip(["steps"; 7].into_iter().chain(["batch"; 7])) {
        let names =
            "axis dtype exponent isa median_us min_us mode relative shape threads".split(' ');
        assert_eq!(fields(line), names.collect::<Vec<_>>());
        assert_eq!(line["axis"], axis);
        assert!(line["median_us"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(lines[6]["shape"], serde_json::json!([1, 1000, 2, 1]));
    assert_eq!(lines[13]["shape"], serde_json::json!([1000, 1, 2, 1]));
    let plot = std::fs::read_to_string(plot).unwrap();
    assert_eq!(plot.matches("<circle").count(), 14);
}

#[test]
fn plan_prints_one_object_for_each_shape() {
    let args = "plan --shape 1,50,1024,1024 --shape 64,10,8,1 --threads 3 --json";
    let lines = json(&args.split(' ').collect::<Vec<_>>());
    let [one, few] = &lines[..] else { panic!("{lines:?}") };
    let names = ["cut", "dtype", "group", "hoisted_steps", "isa", "lanes", "layers", "mode"];
    let more = ["multiply_adds", "shape", "threads", "wavefront_steps", "wavefront_threads"];
    assert_eq!(fields(one), [&names[..], &more, &["weights_bytes", "weights_in"]].concat());
    assert_eq!(one["weights_bytes"], 2048 * 4096 * 4);
    assert_eq!(
        (&one["lanes"], &one["cut"], &one["mode"]),
        (&"units".into(), &"units".into(), &"train".into())
    );
    assert_eq!((&one["hoisted_steps"], &one["threads"]), (&50.into(), &3.into()));
    assert_eq!(
        (&few["lanes"], &few["hoisted_steps"], &few["threads"]),
        (&"batch".into(), &0.into(), &1.into())
    );
}

#[test]
fn plan_gives_its_reasons() {
    let args = "plan --shape 1,50,1024,1024 --shape 64,10,8,1 --infer --threads 3";
    let output = harness(&args.split(' ').collect::<Vec<_>>());
    let text = String::from_utf8(output.stdout).unwrap();
    for reason in [
        "lanes over units: 100 % of cache lines are full",
        "x W ahead for 50 steps: one row would wait for 32.0 MiB of weights from",
        "3 threads: a step of one row reads 16.0 MiB of U",
        "lanes over the batch: 100 % of cache lines are full; over units 6 %",
        "1 thread: 0.0 million multiply-adds",
    ] {
        assert!(text.contains(reason), "{reason}\n{text}");
    }
}

#[test]
fn plan_tells_how_layers_share_threads() {
    let args = "plan --shape 1,100,40,40 --shape 64,100,40,40 --infer --layers 2 --threads 2";
    let args: Vec<&str> = args.split(' ').collect();
    let lines = json(&[&args[..], &["--json"]].concat());
    let [few, many] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&few["layers"], &few["wavefront_threads"]), (&2.into(), &2.into()));
    assert!((2..50).contains(&few["wavefront_steps"].as_u64().unwrap()), "{few}");
    assert_eq!((&many["threads"], &many["wavefront_threads"]), (&2.into(), &0.into()));
    assert_eq!(many["wavefront_steps"], 0);
    let text = String::from_utf8(harness(&args).stdout).unwrap();
    for line in ["2 layers side by side, ", "2 layers one after the other"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn bench_takes_layers_threads_scalar_and_instruction_set() {
    let args = "bench --shape 3,2,2,4 --layers 3 --threads 2 --dtype f64 --isa portable --json";
    let lines = json(&args.split(' ').collect::<Vec<_>>());
    let line = &lines[0];
    assert_eq!((&line["layers"], &line["threads"]), (&3.into(), &2.into()));
    assert_eq!((&line["dtype"], &line["isa"]), (&"f64".into(), &"portable".into()));
}

#[test]
fn gemm_and_activation_print_ours_and_the_peers() {
    let lines = json(&["gemm", "--mnk", "5,7,3", "--prepacked", "--threads", "2", "--json"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["peer"], &lines[1]["peer"]),
        (&"kernels".into(), &"matrixmultiply".into())
    );
    for line in &lines {
        let names = ["dtype", "gflops", "isa", "median_us", "min_us", "mnk", "op", "peer"];
        assert_eq!(fields(line), [&names[..], &["prepacked", "threads"]].concat());
        assert_eq!(line["mnk"], Value::from(vec![5, 7, 3]));
        assert!(line["gflops"].as_f64() > Some(0.0));
    }
    for op in ["exp", "expm1", "sigmoid", "tanh", "softplus", "log1p", "erf"] {
        let lines = json(&["activation", "--op", op, "--len", "33", "--dtype", "f64", "--json"]);
        let peer = if op == "erf" { "libm" } else { "std" };
        assert_eq!((&lines[0]["peer"], &lines[1]["peer"]), (&"kernels".into(), &peer.into()));
        for line in &lines {
            assert_eq!((&line["op"], &line["len"]), (&op.into(), &33.into()));
            assert!(line["ns_per_element"].as_f64() > Some(0.0));
        }
    }
}

#[test]
fn accuracy_prints_one_object_for_each_function_and_instruction_set() {
    let sweep = ["accuracy", "--op", "tanh", "--op", "erf", "--json"];
    for (rest, points) in [
        (&["--stride", "1000003"][..], 4295),
        // Blocks of 8192 from each of four ranges, and what is hard to round.
        (&["--dtype", "f64", "--points", "5", "--threads", "1"], 4 * 8192 + 16),
    ] {
        let lines = json(&[&sweep[..], rest].concat());
        let isas = Isa::available();
        assert_eq!(lines.len(), 2 * isas.len());
        for (i, line) in lines.iter().enumerate() {
            let names = ["bins", "bits", "bound", "dtype", "histogram", "isa", "op", "passed"];
            assert_eq!(fields(line), [&names[..], &["points", "worst_ulps", "x"]].concat());
            assert_eq!(line["op"], ["tanh", "erf"][i / isas.len()]);
            assert_eq!(line["isa"], isas[i % isas.len()].name());
            assert_eq!((&line["points"], &line["passed"]), (&points.into(), &true.into()));
            let counts = line["histogram"].as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(counts.iter().filter_map(Value::as_u64).sum::<u64>(), points);
            assert_eq!(line["bins"].as_array().map(Vec::len), Some(counts.len() - 1));
            let worst = line["worst_ulps"].as_f64();
            assert!(worst > Some(0.0) && worst <= line["bound"].as_f64(), "{line}");
            assert!(line["x"].is_number() && line["bits"].is_string(), "{line}");
        }
    }
    let portable = json(&[&sweep[..], &["--isa", "portable", "--stride", "1000003"]].concat());
    assert!(portable.len() == 2 && portable.iter().all(|line| line["isa"] == "portable"));
}

#[test]
fn peak_is_measured_on_every_instruction_set() {
    let lines = json(&["peak", "--json"]);
    assert_eq!(lines.len(), 2 * Isa::available().len());
    assert!(lines.iter().all(|line| line["gflops"].as_f64() > Some(0.1)));
}

#[test]
fn gradcheck_prints_every_tensor_and_a_summary() {
    let lines = json(&["gradcheck", "--units", "2", "--isa", "portable", "--json"]);
    let names: Vec<&Value> = lines.iter().map(|line| &line["tensor"]).collect();
    let weights = ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"];
    assert_eq!(names[..6], [&weights[..], &["x", "initial h", "initial c"]].concat());
    let (summary, tensors) = lines.split_last().unwrap_or_else(|| panic!("no lines"));
    assert_eq!(summary["summary"], true);
    assert_eq!(summary["passed"], true);
    assert_eq!(summary["entries"], 24 + 16 + 8 + 36 + 6 + 6);
    assert!(tensors.iter().all(|line| line["passed"] == true && line["isa"] == "portable"));
    assert!(tensors.iter().all(|line| line["worst_error"].as_f64() < Some(1e-7)));
    assert!(lines.iter().all(|line| line["floor"].as_f64() > Some(0.0)));
    for count in ["entries", "below_floor", "kinks"] {
        let sum = tensors.iter().filter_map(|line| line[count].as_u64()).sum::<u64>();
        assert_eq!(summary[count], sum, "{count}");
    }
    // Through tanh and sigmoid some derivatives are too small to be found by differences.
    let lines =
        json(&["gradcheck", "--units", "9", "--steps", "20", "--isa", "portable", "--json"]);
    assert!(lines.last().is_some_and(|summary| summary["below_floor"].as_u64() > Some(0)));
}

#[test]
fn gradcheck_checks_a_model_of_the_users_own() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/tagger.json");
    let lines =
        json(&["gradcheck", "--model", model, "--isa", "portable", "--sample", "5", "--json"]);
    let (rounded, exact): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line["precision"].is_string());
    assert_eq!((rounded.len(), exact.len()), (9, 10), "each weight, and the summary");
    assert!(lines.iter().all(|line| line["passed"] == true), "{lines:?}");
    assert_eq!(exact[0]["tensor"], "embedding/embeddings");
    assert_eq!(exact[9]["summary"], true);
    let along = ["gradcheck", "--model", model, "--isa", "portable", "--directions", "3", "--json"];
    let lines = json(&along);
    let exact =
        lines.iter().filter(|line| line["precision"].is_null() && line["summary"].is_null());
    assert!(
        exact.clone().count() == 9 && exact.clone().all(|line| line["entries"] == 3),
        "{lines:?}"
    );
    assert!(refusal(&["gradcheck", "--model", "/no/model.json"]).contains("/no/model.json"));
    assert!(refusal(&["gradcheck", "--model", file!()]).contains("cli.rs"));
}

#[test]
fn latency_measures_a_model_of_the_users_own() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/control.json");
    let lines = json(&["latency", "--model", model, "--steps", "500", "--json"]);
    let names = ["allocations", "batch", "clock_ns", "dtype", "isa", "layers_p50_ns", "max_ns"];
    let more = ["mean_ns", "model", "p50_ns", "p999_ns", "p99_ns", "steps"];
    assert_eq!(fields(&lines[0]), [&names[..], &more].concat());
    assert_eq!((&lines[0]["model"], &lines[0]["allocations"]), (&"control".into(), &0.into()));
    let two_ways = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/tagger.json");
    let refused = refusal(&["latency", "--model", two_ways, "--steps", "9"]);
    assert!(
        refused.contains("Bidirectional `bidirectional`: it cannot take one step at a time"),
        "{refused}"
    );
    assert!(refusal(&["latency", "--model", model, "--units", "3"]).contains("--units"));
}

#[test]
fn gradcheck_takes_every_option() {
    let options = "--units 3 --inputs 2 --steps 2 --batch 9 --layers 2 --activation relu \
                   --recurrent-activation linear --go-backwards --no-bias --return-sequences \
                   --no-initial-state --no-return-state --dense 2 --dense-activation softmax \
                   --seed 5 --tolerance 1e-6 --json";
    let args: Vec<_> = ["gradcheck"].into_iter().chain(options.split_whitespace()).collect();
    let lines = json(&args);
    assert_eq!(lines.len(), 7 * Isa::available().len() + 1);
}

#[test]
fn gradcheck_shows_bends_and_what_is_below_the_floor() {
    let output = harness(&["gradcheck", "--activation", "relu", "--no-initial-state"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in
        ["below floor", "kinks", "smaller than differences can resolve", "at a bend of relu"]
    {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn a_failed_check_is_exit_status_1() {
    // Less than any difference can show.
    let args = ["gradcheck", "--tolerance", "1e-16", "--json"];
    let output = harness(&args);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().last().is_some_and(|line| line.contains(r#""passed":false"#)), "{text}");
    assert_eq!(harness(&args[..3]).status.code(), Some(1), "as a table");
}

fn fixture(path: &str) -> String {
    format!("{}/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// A folder of this test's own, empty.
fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    folder
}

fn copy(from: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap_or(to)).unwrap_or_else(|e| panic!("{to:?}: {e}"));
    std::fs::copy(fixture(from), to).unwrap_or_else(|error| panic!("{to:?}: {error}"));
}

#[test]
fn conformance_prints_a_line_for_each_case_and_a_tally() {
    let output = harness(&["conformance", &fixture("program4")]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("pass  fit_123_to_4  f64 ") && lines[0].contains(", f32 "),
        "{text}"
    );
    assert_eq!(lines[1..], ["1 passed, 0 failed"]);
}

#[test]
fn conformance_with_a_case_that_fails_is_exit_status_1() {
    let folder = empty_folder("failing");
    copy("conformance/layer_000.safetensors", &folder.join("good.safetensors"));
    copy("requirements.txt", &folder.join("bad.safetensors"));
    let args = ["conformance", &folder.display().to_string()];
    let output = harness(&args);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("FAIL  bad   ") && lines[1].starts_with("pass  good  "), "{text}");
    assert_eq!(
        lines[2..],
        [
            "  kind     cases  f64  f32  failed",
            "  no case      1    0    0       1",
            "  layer        1    1    1       0",
            "  no case failed: bad",
            "1 passed, 1 failed",
        ]
    );
    assert_eq!(status_unread(&args), Some(1));
    assert_eq!(status_unread(&["conformance", &fixture("program4")]), Some(0));
}

#[test]
fn conformance_names_what_it_cannot_read() {
    assert!(refusal(&["conformance"]).contains("PATH"));
    assert!(refusal(&["conformance", "no such case"]).contains("no such case: "));
    let folder = empty_folder("empty").display().to_string();
    let message = refusal(&["conformance", &folder]);
    assert!(message.contains(&format!("{folder}: no .safetensors files")), "{message}");
}

#[test]
fn conformance_reads_folders_in_folders_and_tells_cases_apart() {
    let folder = empty_folder("deep");
    copy("conformance/layer_000.safetensors", &folder.join("case.safetensors"));
    copy("conformance/layer_001.safetensors", &folder.join("a/b/case.safetensors"));
    let names = |args: &[&str]| -> Vec<String> {
        let output = harness(&[&["conformance"], args].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8_lossy(&output.stdout);
        let cases = text.lines().filter_map(|line| line.strip_prefix("pass  "));
        cases.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
    };
    let path = folder.display().to_string();
    assert_eq!(names(&[&path]), ["a/b/case", "case"]);
    let [outer, inner] = ["case", "a/b/case"].map(|name| format!("{path}/{name}.safetensors"));
    assert_eq!(names(&[&outer]), ["case"]);
    assert_eq!(names(&[&outer, &inner]), [outer.as_str(), inner.as_str()]);
    assert_eq!(names(&[&path, &outer]), [inner.as_str(), outer.as_str(), outer.as_str()]);
}

/// The exit status of a run whose output nobody reads.
fn status_unread(args: &[&str]) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("harness {args:?}: {error}"));
    drop(child.stdout.take());
    child.wait().unwrap_or_else(|error| panic!("harness {args:?}: {error}")).code()
}

#[test]
fn the_verdict_is_the_same_whether_or_not_the_output_is_read() {
    let small = ["gradcheck", "--units", "2", "--json"];
    assert_eq!(status_unread(&small), Some(0));
    assert_eq!(status_unread(&[&small[..], &["--tolerance", "1e-16"]].concat()), Some(1));
    assert_eq!(status_unread(&["gradcheck", "--tolerance", "2"]), Some(2));
}

#[test]
fn without_json_there_are_tables_without_escapes() {
    for args in [
        &["bench", "--shape", "2,2,2,2"][..],
        &["gemm", "--mnk", "4,4,4"],
        &["activation", "--op", "tanh", "--len", "8"],
        &["accuracy", "--op", "log1p", "--stride", "1000003"],
        &["gradcheck", "--units", "1", "--steps", "1"],
    ] {
        let output = harness(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().count() > 3 && !text.contains('\x1b'), "{text}");
    }
}

#[test]
fn the_page_shows_everything() {
    let output = harness(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        Isa::best().name(),
        "Gradients",
        "derivatives within 1e-7",
        "Throughput",
        "of peak",
        "7 8 9 →",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(text.lines().count() <= 45, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

/// Runs a race with no peers but these, each a name and what `harness` is told to be one.
fn race(peers: &[(&str, &str)], args: &str) -> Output {
    let nowhere = empty_folder("no-peers");
    let mut all = vec!["race".to_owned(), "--rounds=3".to_owned(), "--turn=1".to_owned()];
    all.extend(args.split_whitespace().map(str::to_owned));
    all.push(format!("--peers={}", nowhere.display()));
    for (name, words) in peers {
        all.push(format!("--with={name}={} {words}", env!("CARGO_BIN_EXE_harness")));
    }
    harness(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    text.lines().map(parse).collect()
}

#[test]
fn race_times_who_agrees_and_names_who_is_not_there() {
    let args = "--shape 3,4,2,5 --shape 1,1,1,1 --kind infer --kind step --threads 1 --json";
    let output = race(&[("reference", "reference")], args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.len() % 4, 0);
    for line in &lines {
        let names = ["kind", "median_us", "min_us", "peer", "ratio", "reason", "shape"];
        assert_eq!(fields(line), [&names[..], &["state", "threads", "version"]].concat());
    }
    let of = |peer: &str| lines.iter().filter(|line| line["peer"] == peer).collect::<Vec<_>>();
    for line in of("lstm") {
        assert_eq!((&line["state"], &line["ratio"]), (&"timed".into(), &1.0.into()));
    }
    let reference = of("reference");
    assert_eq!(reference[0]["shape"], Value::from(vec![3, 4, 2, 5]));
    assert_eq!((&reference[0]["kind"], &reference[0]["state"]), (&"infer".into(), &"timed".into()));
    assert!(reference[0]["median_us"].as_f64() >= reference[0]["min_us"].as_f64());
    assert!(reference[0]["min_us"].as_f64() > Some(0.0));
    assert_eq!(reference[3]["state"], "unsupported");
    assert_eq!(reference[3]["median_us"], Value::Null);
    for peer in ["torch", "jax", "onnxruntime", "openvino", "keras", "candle"] {
        assert!(of(peer).iter().all(|line| line["state"] == "not installed"), "{peer}");
    }
}

#[test]
fn race_streams_step_by_step_on_one_thread() {
    let args = "--shape 1,6,2,5 --shape 3,4,1,9 --kind stream --threads 1 --threads 2 --json";
    let peers = [("reference", "reference"), ("far", "reference --off 0.001")];
    let output = race(&peers, &format!("{args} --peer reference --peer far"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = lines(&output);
    let of = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("state"), ["timed", "timed", "disagrees", "timed", "timed", "disagrees"]);
    assert!(
        lines.iter().all(|line| (&line["kind"], &line["threads"]) == (&"stream".into(), &1.into()))
    );
    let bench =
        json(&["bench", "--shape", "1,20,2,5", "--mode", "stream", "--layers", "2", "--json"]);
    let bench = &bench[0];
    assert_eq!((&bench["mode"], &bench["layers"]), (&"stream".into(), &2.into()));
    assert!(bench["min_us"].as_f64() > Some(0.0));
}

#[test]
fn race_does_not_time_who_computes_something_else() {
    let args = "--shape 3,4,2,5 --kind infer --threads 2 --json --peer near --peer far --peer odd";
    let peers = [("near", "reference --off 0.00001"), ("far", "reference --off 0.001")];
    let output = race(&[&peers[..], &[("odd", "peak")]].concat(), args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let states: Vec<Value> = lines(&output).iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["timed", "timed", "disagrees", "failed"]);
    let far = &lines(&output)[2];
    assert_eq!((&far["median_us"], &far["reason"]), (&Value::Null, &"1.0e-3 in y".into()));
}

#[test]
fn race_writes_a_page_and_a_plot() {
    let folder = empty_folder("race");
    let (page, plot) = (folder.join("race.md"), folder.join("race.svg"));
    let files = format!("--markdown {} --svg {}", page.display(), plot.display());
    let args = format!("--shape 3,4,2,5 --kind infer --threads 1 {files}");
    let output = race(&[("reference", "reference"), ("far", "reference --off 1")], &args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("far, infer, 1 thread: disagrees: 1.0e0 in y (3,4,2,5)"), "{table}");
    let page = std::fs::read_to_string(page).unwrap_or_default();
    assert!(page.contains("| 3,4,2,5 | 1 | "), "{page}");
    assert!(page.contains("Not installed: torch, jax,"), "{page}");
    let plot = std::fs::read_to_string(plot).unwrap_or_default();
    assert!(plot.contains("<title>reference "), "{plot}");
}

#[test]
fn wrong_input_is_refused_with_a_reason() {
    for (args, reason) in [
        (&["bench", "--shape", "1,2,3"][..], "expected 4 positive numbers"),
        (&["bench", "--shape", "1,2,3,0"], "expected 4 positive numbers"),
        (&["bench", "--shape", "60000,60000,60000,9"], "an array would have more than"),
        (&["bench"], "--shape"),
        (&["bench", "--shape", "1,1,1,1", "--mode", "fly"], "infer, train, step"),
        (&["bench", "--shape", "1,1,1,1", "--threads", "0"], "from 1 to 1024"),
        (&["bench", "--shape", "1,1,1,1", "--layers", "16777216"], "from 1 to 1024"),
        (&["bench", "--shape", "1,1,1,9999", "--layers", "3"], "3 layers: an array would have"),
        (&["bench", "--shape", "9999,99,9,99", "--layers", "9"], "an array would have more than"),
        (&["bench", "--shape", "1,1,1,1", "--isa", "vax"], "no instruction set `vax`"),
        (&["bench", "--shape", "1,1,1,1", "--dtype", "f16"], "f32, f64"),
        (&["latency"], "--units"),
        (&["latency", "--units", "0"], "expected a number"),
        (&["latency", "--units", "16777216"], "an array would have more than"),
        (&["plan", "--shape", "1,2,3"], "expected 4 positive numbers"),
        (&["linear", "--shape", "1000000,100,10,10"], "more than 2^30 elements"),
        (&["gemm", "--mnk", "1,2"], "expected 3 positive numbers"),
        (&["gemm", "--mnk", "100000,100000,1"], "an array would have more than"),
        (&["activation", "--op", "sinh", "--len", "3"], "exp, expm1, sigmoid, tanh, softplus"),
        (&["accuracy", "--op", "sinh"], "exp, expm1, sigmoid, tanh, softplus"),
        (&["accuracy", "--op", "exp", "--stride", "0"], "0"),
        (&["accuracy", "--op", "exp", "--points", "9"], "--points is for f64"),
        (&["accuracy", "--op", "exp", "--stride", "9", "--dtype", "f64"], "--stride is for f32"),
        (&["activation", "--op", "exp", "--len", "x"], "expected a number"),
        (&["gradcheck", "--activation", "glu"], "unsupported activation: `glu`"),
        (&["gradcheck", "--units", "100000"], "an array would have more than"),
        (&["gradcheck", "--units", "2000", "--layers", "99"], "an array would have more than"),
        (&["gradcheck", "--batch", "16777216", "--steps", "9"], "an array would have more than"),
        (&["gradcheck", "--dense", "16777216", "--units", "3000"], "an array would have more than"),
        (&["gradcheck", "--dense", "16777216", "--batch", "99"], "an array would have more than"),
        (&["gradcheck", "--layers", "1025"], "from 1 to 1024"),
        (&["gradcheck", "--units", "-1"], "-1"),
        (&["gradcheck", "--units", "0"], "expected a number"),
        (&["gradcheck", "--tolerance", "NaN"], "between 0 and 1"),
        (&["race", "--shape", "1,2,3"], "expected 4 positive numbers"),
        (&["race", "--peer", "nobody"], "no peer `nobody`; there are torch, jax"),
        (&["race", "--with", "nobody"], "expected NAME=PROGRAM"),
        (&["race", "--rounds", "0"], "expected a number"),
        (&["fly"], "fly"),
    ] {
        let message = refusal(args);
        assert!(message.contains(reason), "{args:?}: no `{reason}` in {message}");
    }
}

/// A run with `KERNELS_ISA` set.
fn with_isa(value: impl AsRef<OsStr>) -> (Option<i32>, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["conformance", &fixture("conformance/layer_000.safetensors")])
        .env("KERNELS_ISA", value)
        .output();
    let output = command.unwrap_or_else(|error| panic!("{error}"));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_unknown_instruction_set_in_the_environment_is_refused() {
    let (status, message) = with_isa("vax");
    assert_eq!(status, Some(2), "{message}");
    assert!(message.contains("KERNELS_ISA: no instruction set `vax`"), "{message}");
    assert_eq!(with_isa("portable").0, Some(0));
}

#[cfg(unix)]
#[test]
fn an_instruction_set_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let (status, message) = with_isa(OsStr::from_bytes(b"\xff"));
    assert_eq!(status, Some(2), "{message}");
    assert!(message.starts_with("error: KERNELS_ISA: "), "{message}");
}
