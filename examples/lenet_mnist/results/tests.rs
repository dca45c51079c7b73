use secateur_examples::data::DatasetName;

use super::*;
use crate::job::Net;
use crate::methods::Outlook;

fn job(methods: &[Method], seed: u64) -> Job {
    Job {
        dataset: DatasetName::Mnist,
        net: Net::LeNet300,
        seed,
        methods: methods.to_vec(),
        epochs: 10,
        data: None,
        smoke: false,
    }
}

/// The rows that a job gives, with made-up numbers.
fn rows(job: &Job) -> Vec<Row> {
    let of = |&method: &Method| {
        let expected = outlook(job, method);
        (0..expected.rows).map(move |index| Row {
            dataset: job.dataset.to_string(),
            net: job.net.to_string(),
            method: method.to_string(),
            sparsity: 0.9 + 0.01 * index as f64,
            kept: 26_620,
            total: 266_200,
            epochs: expected.epochs,
            seed: job.seed,
            error: 1.0 + index as f64,
        })
    };
    job.methods.iter().flat_map(of).collect()
}

/// A folder that goes when it is dropped, and a file in it with the text.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn lines(rows: &[Row]) -> String {
    let line = |row| serde_json::to_string(row).unwrap() + "\n";
    rows.iter().map(line).collect()
}

#[test]
fn methods_say_what_they_give() {
    let gives = |method| {
        let Outlook { rows, epochs } = outlook(&job(&[], 1), method);
        (rows, epochs)
    };
    assert_eq!(gives(Method::Dense), (1, 10));
    assert_eq!(gives(Method::HanRandom), (2, 18));
    assert_eq!(gives(Method::Agp), (3, 10));
    assert_eq!(gives(Method::Snip), (2, 10));
    assert_eq!(gives(Method::Rigl), (1, 10));
    assert_eq!(gives(Method::Ticket), (6, 5));
    let smoke = Job {
        epochs: 1,
        ..job(&[], 1)
    };
    let Outlook { rows, epochs } = outlook(&smoke, Method::TicketFresh);
    assert_eq!((rows, epochs), (2, 1));
    assert_eq!(outlook(&smoke, Method::HanOneshot).epochs, 5);
}

#[test]
fn what_is_there_is_not_run_again() {
    let (dense, agp) = (job(&[Method::Dense], 1), job(&[Method::Agp], 1));
    let elsewhere = rows(&job(&[Method::Dense], 7));
    let there = [rows(&dense), elsewhere].concat();
    let (_folder, path) = file(&lines(&there));
    let (results, standing) =
        Results::open(&path, false, vec![dense.clone(), agp.clone()]).unwrap();
    assert_eq!(standing.kept, rows(&dense));
    assert_eq!(standing.open, std::slice::from_ref(&agp));
    assert!(standing.notes.is_empty(), "{:?}", standing.notes);

    results.add(&rows(&agp)).unwrap();
    drop(results);
    let all = lines(&[there, rows(&agp)].concat());
    assert_eq!(fs::read_to_string(&path).unwrap(), all);
    let (_, standing) = Results::open(&path, false, vec![dense, agp]).unwrap();
    assert_eq!((standing.kept.len(), standing.open), (4, vec![]));
}

#[test]
fn only_the_methods_that_lack_are_run() {
    let wanted = job(&[Method::Snip, Method::SnipShuffled], 2);
    let (_folder, path) = file(&lines(&rows(&job(&[Method::Snip], 2))));
    let (_, standing) = Results::open(&path, false, vec![wanted]).unwrap();
    assert_eq!(standing.open, [job(&[Method::SnipShuffled], 2)]);
}

#[test]
fn other_seeds_and_epochs_are_other_runs() {
    let wanted = job(&[Method::Dense], 2);
    let shorter = Job {
        epochs: 1,
        ..wanted.clone()
    };
    let text = lines(&[rows(&job(&[Method::Dense], 1)), rows(&shorter)].concat());
    let (_folder, path) = file(&text);
    let (_, standing) = Results::open(&path, false, vec![wanted.clone()]).unwrap();
    assert_eq!(standing.open, [wanted]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_line_is_reported_and_its_job_is_run_again() {
    let (dense, agp) = (job(&[Method::Dense], 1), job(&[Method::Agp], 1));
    let whole = lines(&[rows(&dense), rows(&agp)].concat());
    // As a stopped write would leave it.
    let (_folder, path) = file(&whole[..whole.len() - 30]);
    let jobs = vec![dense.clone(), agp.clone()];
    let (results, standing) = Results::open(&path, false, jobs.clone()).unwrap();
    assert_eq!(
        (standing.kept, standing.open),
        (rows(&dense), vec![agp.clone()])
    );
    assert!(standing.notes[0].contains("line 4 is damaged"));
    assert!(standing.notes[1].contains("agp seed 1 is incomplete"));
    // The other two rows of the job went with it, so that none is there twice.
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(&rows(&dense)));
    results.add(&rows(&agp)).unwrap();
    let (_, standing) = Results::open(&path, false, jobs).unwrap();
    assert!(standing.open.is_empty() && standing.notes.is_empty());
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn a_last_line_without_an_end_is_ended() {
    let dense = job(&[Method::Dense], 1);
    let (_folder, path) = file(lines(&rows(&dense)).trim_end());
    let (results, _) = Results::open(&path, false, Vec::new()).unwrap();
    results.add(&rows(&job(&[Method::Dense], 2))).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(Lines::of(&text).sound.len(), 2, "{text}");
}

#[test]
fn repeated_rows_count_once() {
    let dense = job(&[Method::Dense], 1);
    let once = lines(&rows(&dense));
    let (_folder, path) = file(&once.repeat(2));
    let (_, standing) = Results::open(&path, false, vec![dense.clone()]).unwrap();
    assert_eq!((standing.kept, standing.notes.len()), (rows(&dense), 1));
    assert_eq!(fs::read_to_string(&path).unwrap(), once);
}

#[test]
fn fresh_starts_over() {
    let dense = job(&[Method::Dense], 1);
    let (_folder, path) = file(&lines(&rows(&dense)));
    let (_, standing) = Results::open(&path, true, vec![dense.clone()]).unwrap();
    assert_eq!((standing.kept, standing.open), (vec![], vec![dense]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let (_folder, path) = file("dear diary\n");
    let error = Results::open(&path, false, Vec::new()).unwrap_err();
    assert!(error.to_string().contains("--fresh"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary\n");
    // A file that is not there yet is made.
    let new = path.with_file_name("new.jsonl");
    Results::open(&new, false, Vec::new()).unwrap();
    assert!(new.exists());
}

#[test]
fn rows_that_were_not_expected_are_no_answer() {
    let wanted = job(&[Method::Agp, Method::Dense], 1);
    let mut given = rows(&wanted);
    assert!(answers(&given, &wanted));
    given.pop();
    assert!(!answers(&given, &wanted));
}
