use std::{sync::mpsc, thread, time::Duration};

use algedonic::Event;

/// An event that does something when it is dropped.
pub(crate) struct LastWords {
    pub(crate) number: u64,
    act: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Event for LastWords {
    const NAME: &'static str = "test.last_words";
}

impl LastWords {
    pub(crate) fn new(number: u64, act: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self {
            number,
            act: Some(Box::new(act)),
        }
    }

    pub(crate) fn silent(number: u64) -> Self {
        Self { number, act: None }
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(act) = self.act.take() {
            act();
        }
    }
}

/// Runs what may lock itself out in a thread of its own, and does not wait for it for ever.
pub(crate) fn finishes(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(20)) {
        Ok(()) => worker.join().expect("it has just finished"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: locked out"),
    }
}
