//! A results folder that several processes fill while they are killed, again and again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secateur_eval::random::Stream;
use secateur_eval::{Jobs, Level, ModelResult, Predictions, ResultsFolder, TestSet};

/// Tells a process of this test that it is a worker, and where.
const WORKER: &str = "SECATEUR_TEST_WORKER";

const EXAMPLES: usize = 20_000;

fn jobs() -> Jobs {
    let levels = [
        Level::dense(),
        Level::control(),
        Level::pruned(0.9).unwrap(),
    ];
    Jobs::disjoint(levels, 30)
}

fn test_set() -> TestSet {
    TestSet::new("toy", ["a", "b"], (0..EXAMPLES).map(|at| at as u32 % 2)).unwrap()
}

/// What a training with this seed comes to.
fn trained(set: &TestSet, level: &Level, seed: u64) -> ModelResult {
    let mut stream = Stream::new(seed, level.name(), 0);
    let logits: Vec<f32> = (0..2 * EXAMPLES).map(|_| stream.uniform()).collect();
    let answers = Predictions::from_logits(set, &logits).unwrap();
    ModelResult::new(level.clone(), seed, answers)
}

/// Not a test of its own: what the processes do that the test below starts.
#[test]
fn worker() {
    let Ok(path) = std::env::var(WORKER) else {
        return;
    };
    let set = test_set();
    let folder = ResultsFolder::create(path, &set).unwrap();
    for job in folder.missing(&jobs()).unwrap() {
        let model = trained(&set, &job.level, job.seed);
        folder.write(&model).unwrap();
    }
}

fn start(path: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["worker", "--exact"])
        .env(WORKER, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_is_lost_when_processes_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    let set = test_set();
    let folder = ResultsFolder::create(&path, &set).unwrap();
    let mut lot = Stream::new(1, "kill", 0);
    let mut done = 0;
    let mut killed = 0;
    for _ in 0..30 {
        // Two at a time write the same models: each may meet what the other has half written.
        let mut workers = [start(&path), start(&path)];
        std::thread::sleep(Duration::from_millis(10 + lot.below(80) as u64));
        for worker in &mut workers {
            killed += usize::from(worker.try_wait().unwrap().is_none());
            // `SIGKILL`: nobody is asked.
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        let left = folder.missing(&jobs()).unwrap().len();
        assert!(jobs().len() - left >= done, "a finished model is gone");
        done = jobs().len() - left;
        if left == 0 {
            break;
        }
    }
    assert!(killed > 0, "every process had ended before it was killed");
    assert!(start(&path).wait().unwrap().success());

    assert_eq!(folder.missing(&jobs()).unwrap(), []);
    assert_eq!(folder.damaged().unwrap(), []);
    let models = folder.models().unwrap();
    assert_eq!(models.len(), jobs().len());
    for job in &jobs() {
        let found = folder.read(&job.level, job.seed).unwrap().unwrap();
        assert_eq!(found, trained(&set, &job.level, job.seed));
    }
    // What the killed ones left behind is swept away and harms nobody.
    folder.sweep(Duration::ZERO).unwrap();
    let files = std::fs::read_dir(&path).unwrap().count();
    let models = std::fs::read_dir(&path)
        .unwrap()
        .filter(|file| {
            let file = file.as_ref().unwrap().path();
            file.extension()
                .is_some_and(|extension| extension == "model")
        })
        .count();
    assert_eq!((models, files), (jobs().len(), jobs().len() + 1));
}
