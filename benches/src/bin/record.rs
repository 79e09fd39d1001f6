//! Races every product of the grid and writes what came out, as Markdown and as JSON lines:
//!
//! ```sh
//! make record
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use benches::grid::{Product, products};
use benches::peers::{Element, Job};
use clap::Parser;
use harness::dtype::Dtype;
use harness::json;
use harness::machine;
use harness::peak::{Peak, Read};
use harness::random::Random;
use harness::timing::{Timing, take_turns};
use kernels::Isa;

/// Races matrix products against every peer that is compiled in and installed.
#[derive(Debug, Parser)]
struct Args {
    /// Only products of whose name or family this is a part
    #[arg(long, value_name = "TEXT", default_value = "", requires = "dry_run")]
    only: String,
    /// Only this scalar
    #[arg(long, value_enum, requires = "dry_run")]
    dtype: Option<Dtype>,
    /// Numbers of threads
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Time for each product
    #[arg(long, value_name = "MS", default_value = "1000")]
    budget: u64,
    /// Folder of the record
    #[arg(long, value_name = "DIR", default_value = "benches/record")]
    out: PathBuf,
    /// Write no record
    #[arg(long)]
    dry_run: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let cpu = machine::cpu();
    let isa = Isa::best();
    let mut markdown = format!(
        "# Matrix products on {cpu}\n\n\
         Instruction set of `kernels`: {isa}. Median times of interleaved runs. A peer's column has \
         its time over ours: above one we are faster. The limit is the measured peak of \
         multiply-adds, times the threads; for one row it is the measured read of B.\n"
    );
    let mut lines = String::new();
    for &threads in &args.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            if args.dtype != Some(Dtype::F64) {
                race::<f32>(&args, threads, &mut markdown, &mut lines);
            }
            if args.dtype != Some(Dtype::F32) {
                race::<f64>(&args, threads, &mut markdown, &mut lines);
            }
        });
    }
    if !args.dry_run {
        let file = |extension| args.out.join(format!("gemm-{}-{isa}.{extension}", slug(&cpu)));
        fs::create_dir_all(&args.out)?;
        fs::write(file("md"), markdown)?;
        fs::write(file("jsonl"), lines)?;
    }
    Ok(())
}

/// Letters and digits, with a `-` for anything between.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

fn race<T: Element>(args: &Args, threads: usize, markdown: &mut String, lines: &mut String) {
    let s = if threads == 1 { "" } else { "s" };
    let mut heading = format!("\n## {}, {threads} thread{s}\n\n|", T::NAME);
    let mut rule = "|".to_owned();
    let names = T::peers().into_iter().skip(2).map(|peer| peer.name);
    let columns = ["product", "µs", "GFLOP/s", "of limit", "packed µs", "of limit"];
    for column in columns.into_iter().chain(names) {
        write!(heading, " {column} |").expect("a string");
        rule += if column == "product" { "---|" } else { "--:|" };
    }
    show(&format!("{heading}\n{rule}"), markdown);
    for product in products() {
        let name = format!("{} {product}", product.family);
        if name.contains(&args.only) {
            let (row, objects) = measure::<T>(product, threads, Duration::from_millis(args.budget));
            show(&row, markdown);
            *lines += &objects;
        }
    }
}

/// A line, on the screen and in the record.
fn show(line: &str, markdown: &mut String) {
    println!("{line}");
    *markdown += line;
    markdown.push('\n');
}

/// A row of the table, and an object for each peer.
fn measure<T: Element>(product: Product, threads: usize, budget: Duration) -> (String, String) {
    let mut random = Random::new(0);
    let a = random.numbers::<T>(product.m * product.k, 1.0);
    let b = random.numbers::<T>(product.k * product.n, 1.0);
    let isa = Isa::best();
    let job = Job { product, a: &a, b: &b, threads };

    let peers = T::peers();
    let ready: Vec<_> = peers.iter().map(|peer| (peer.ready)(job)).collect();
    let there: Vec<bool> = ready.iter().map(Option::is_some).collect();
    let mut runs: Vec<_> = ready
        .into_iter()
        .flatten()
        .map(|mut run| {
            let mut c = vec![T::ZERO; product.m * product.n];
            move || run(&mut c)
        })
        .collect();
    let (peak, read) = (Peak::<T>::new(isa), Read::new(isa, &b));
    let (mut peak_run, mut read_run) = (|| peak.run(), || read.run(threads));
    let mut contestants: Vec<&mut dyn FnMut()> = vec![&mut peak_run, &mut read_run];
    contestants.extend(runs.iter_mut().map(|run| run as &mut dyn FnMut()));
    let mut timings = take_turns(budget, &mut contestants).into_iter();
    let mut next = || timings.next().expect("one for each");

    let (peak_time, read_time) = (next().median, next().median);
    let flops_time = product.flops() / (peak.flops() / peak_time * threads as f64);
    let limit = if product.m == 1 { flops_time.max(read_time) } else { flops_time };
    let times: Vec<Option<Timing>> = there.iter().map(|&there| there.then(&mut next)).collect();

    let [Some(plain), Some(packed)] = times[..2] else { panic!("we compute every product") };
    let mut row = format!(
        "| {product} | {:.2} | {:.1} | {:.0} % | {:.2} | {:.0} % |",
        plain.median_us(),
        plain.giga_per_second(product.flops()),
        100.0 * limit / plain.median,
        packed.median_us(),
        100.0 * limit / packed.median,
    );
    let mut objects = String::new();
    for (peer, time) in peers.iter().zip(&times) {
        let Some(time) = time else {
            row += " |";
            continue;
        };
        if !peer.name.starts_with("kernels") {
            let ours = if peer.prepacked { packed } else { plain };
            write!(row, " {:.2} |", time.median / ours.median).expect("a string");
        }
        let object = json::line(&[
            ("peer", peer.name.into()),
            ("op", "gemm".into()),
            ("family", product.family.into()),
            ("mnk", vec![product.m, product.n, product.k].into()),
            ("threads", threads.into()),
            ("dtype", T::NAME.into()),
            ("prepacked", peer.prepacked.into()),
            ("median_us", json::rounded(time.median_us())),
            ("min_us", json::rounded(time.min_us())),
            ("gflops", json::rounded(time.giga_per_second(product.flops()))),
            ("limit_us", json::rounded(limit * 1e6)),
        ]);
        writeln!(objects, "{object}").expect("a string");
    }
    (row, objects)
}
