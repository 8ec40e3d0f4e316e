//! Bounds and ends of a program.

use tokio::io::DuplexStream;
use tokio::sync::oneshot;

use super::*;

/// The other ends of a program's pipes.
struct Other {
    stdin: DuplexStream,
    stdout: DuplexStream,
    stderr: DuplexStream,
    end: oneshot::Sender<String>,
}

fn program(silence: Duration) -> (Program, Other) {
    let (ours, stdin) = tokio::io::duplex(1024);
    let (stdout, out) = tokio::io::duplex(1 << 20);
    let (stderr, err) = tokio::io::duplex(1024);
    let (end, ended) = oneshot::channel();
    let pipes = Pipes {
        stdin: Box::new(ours),
        stdout: Box::new(out),
        stderr: Box::new(err),
        ended: Box::pin(async { ended.await.unwrap_or_else(|_| "lost".into()) }),
    };
    let bounds = Bounds { silence, secrets: vec!["s3cret".into()] };
    (Program::new(pipes, bounds), Other { stdin, stdout, stderr, end })
}

const PATIENT: Duration = Duration::from_secs(60);

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn lines_come_whole_however_they_are_cut() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        other.stdout.write_all(b"first\nsec").await.unwrap();
        assert_eq!(program.next(Waiting::OnProgram).await, Ok(Heard::Line("first".into())));
        other.stdout.write_all(b"ond\n\n").await.unwrap();
        assert_eq!(program.next(Waiting::OnProgram).await, Ok(Heard::Line("second".into())));
        assert_eq!(program.next(Waiting::OnProgram).await, Ok(Heard::Line(String::new())));
        // A wait that is given up loses nothing.
        other.stdout.write_all(b"thi").await.unwrap();
        tokio::select! {
            biased;
            _ = program.next(Waiting::OnProgram) => panic!("half a line is none"),
            () = tokio::task::yield_now() => {}
        }
        other.stdout.write_all(b"rd\n").await.unwrap();
        assert_eq!(program.next(Waiting::OnProgram).await, Ok(Heard::Line("third".into())));
    });
}

#[test]
fn what_is_said_arrives_in_order_while_it_prints() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        // More than the pipe holds, so that it takes several writes.
        let long = "x".repeat(5000);
        program.say(&long);
        program.say("short");
        let reads = async {
            let mut said = vec![0_u8; 5007];
            other.stdin.read_exact(&mut said).await.unwrap();
            other.stdout.write_all(b"heard\n").await.unwrap();
            String::from_utf8(said).unwrap()
        };
        let (heard, said) = tokio::join!(program.next(Waiting::OnProgram), reads);
        assert_eq!(heard, Ok(Heard::Line("heard".into())));
        assert_eq!(said, format!("{long}\nshort\n"));
    });
}

#[test]
fn an_end_is_told_with_the_last_words_and_without_secrets() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        other.stdout.write_all(b"whole\nhalf a li").await.unwrap();
        other.stderr.write_all(b"the key s3cret is refused\n").await.unwrap();
        drop((other.stdout, other.stderr));
        other.end.send("exit 3".into()).unwrap();
        assert_eq!(program.next(Waiting::OnProgram).await, Ok(Heard::Line("whole".into())));
        let Ok(Heard::Ended(ended)) = program.next(Waiting::OnProgram).await else {
            panic!("not an end")
        };
        let words = ended.to_string();
        assert!(words.starts_with("exit 3: the key [taken out] is refused"), "{words}");
        assert!(words.contains("half a li"), "{words}");
    });
}

#[test]
fn a_line_without_an_end_is_given_up_within_bounds() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        let flood = async {
            let piece = vec![b'x'; 1 << 20];
            // Far more than is taken; the pipe is left when the reader goes.
            for _ in 0..200 {
                if other.stdout.write_all(&piece).await.is_err() {
                    return;
                }
            }
        };
        let read = async {
            let error = program.next(Waiting::OnProgram).await;
            let kept = program.incoming.len();
            drop(program);
            (error, kept)
        };
        let ((error, kept), ()) = tokio::join!(read, flood);
        assert_eq!(error, Err(ProgramError::LongLine));
        assert!(kept <= LONGEST_LINE + (64 << 10), "{kept}");
    });
}

#[test]
fn a_hundred_megabytes_of_short_lines_leave_nothing_behind() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        let flood = async move {
            let piece = [[b'x'; 49].as_slice(), b"\n"].concat().repeat(20_000);
            for _ in 0..100 {
                other.stdout.write_all(&piece).await.unwrap();
            }
            drop((other.stdout, other.stderr));
            other.end.send("exit 0".into()).unwrap();
        };
        let read = async {
            let (mut lines, mut most) = (0, 0);
            while let Heard::Line(line) = program.next(Waiting::OnProgram).await.unwrap() {
                assert_eq!(line.len(), 49);
                lines += 1;
                most = most.max(program.incoming.capacity());
            }
            (lines, most)
        };
        let ((lines, most), ()) = tokio::join!(read, flood);
        assert_eq!(lines, 2_000_000);
        assert!(most <= 1 << 20, "{most} bytes were kept at once");
    });
}

#[test]
fn output_without_an_end_is_given_up() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        program.total = MOST_OUTPUT - 10;
        other.stdout.write_all(b"one line\nand another\n").await.unwrap();
        let first = program.next(Waiting::OnProgram).await;
        assert_eq!(first, Err(ProgramError::Flood));
    });
}

#[test]
fn what_is_no_text_is_told() {
    run(async {
        let (mut program, mut other) = program(PATIENT);
        other.stdout.write_all(b"\xff\xfe\n").await.unwrap();
        assert_eq!(program.next(Waiting::OnProgram).await, Err(ProgramError::NotText));
    });
}

#[test]
fn silence_counts_only_while_nobody_owes_an_answer() {
    run(async {
        let short = Duration::from_millis(50);
        let (mut program, _other) = program(short);
        let waited = tokio::time::timeout(short * 4, program.next(Waiting::OnUs)).await;
        assert!(waited.is_err(), "a person may take as long as they like: {waited:?}");
        // The answer is its turn to speak.
        program.say("yes");
        let hung = program.next(Waiting::OnProgram).await;
        assert_eq!(hung, Err(ProgramError::Hung(short)));
    });
}

#[test]
fn a_program_that_does_not_read_is_given_up() {
    run(async {
        let (mut program, _other) = program(PATIENT);
        let line = "x".repeat(MOST_WAITING / 4);
        for _ in 0..5 {
            program.say(&line);
        }
        assert_eq!(program.next(Waiting::OnProgram).await, Err(ProgramError::Deaf));
    });
}

#[test]
fn text_is_shortened_at_a_character() {
    assert_eq!(shortened("äöü", 3), "ä…");
    assert_eq!(shortened("äöü", 6), "äöü");
}
