//! A disk as it is after a power cut: what was synced is there, of everything else some pages are and some are not.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a disk keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// What an fsync that returned had covered. Writes that were only pushed towards the disk are lost with its cache.
    Strict,
    /// Also what was pushed (`sync_file_range`): a disk with a battery.
    PowerLossProtected,
    /// As strict, and the store's own thread never synced: to see that this is found out.
    WithoutOurSync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Write,
    Resize,
    Make,
    Empty,
    Rename,
    Unlink,
    Mkdir,
    Sync,
    Synced,
    Push,
    Pushed,
}

/// One thing that the process did.
#[derive(Debug)]
pub struct Entry {
    what: What,
    thread: String,
    number: u64,
    offset: usize,
    name: String,
    pub data: Vec<u8>,
}

impl Entry {
    /// The load writes down what it was told is stored, in the order of everything else.
    pub fn is_acknowledgement(&self) -> bool {
        self.what == What::Write && self.name == super::load::ACKS
    }

    pub fn is_sync_of(&self, thread: &str) -> bool {
        self.what == What::Synced && self.thread == thread
    }
}

/// Reads a record.
pub fn parse(record: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = record;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let parts: Vec<&str> = line.splitn(6, ' ').collect();
        let [what, thread, number, offset, size, name] = parts[..] else { panic!("{line}") };
        let what = match what {
            "write" => What::Write,
            "resize" => What::Resize,
            "make" => What::Make,
            "empty" => What::Empty,
            "rename" => What::Rename,
            "unlink" => What::Unlink,
            "mkdir" => What::Mkdir,
            "sync" => What::Sync,
            "synced" => What::Synced,
            "push" => What::Push,
            "pushed" => What::Pushed,
            other => panic!("{other}"),
        };
        let size: usize = size.parse().unwrap();
        let data = rest[end + 1..end + 1 + size].to_vec();
        rest = &rest[end + 1 + size..];
        let (number, offset) = (number.parse().unwrap(), offset.parse().unwrap());
        entries.push(Entry { what, thread: thread.to_owned(), number, offset, name: name.to_owned(), data });
    }
    entries
}

/// A small generator: the same seed gives the same cuts.
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// Content of a file: what is on the disk for sure, and what was done since, with the moment of each.
#[derive(Debug, Default)]
struct Content {
    safe: Vec<u8>,
    since: Vec<(u64, Change)>,
}

#[derive(Debug, Clone)]
enum Naming {
    File(String, usize),
    Gone(String),
    Folder(String),
}

/// Names change in order, as in a journal: after a cut some first part of the changes is there.
#[derive(Debug, Default, Clone)]
struct Names {
    files: BTreeMap<String, usize>,
    folders: Vec<String>,
}

impl Names {
    fn apply(&mut self, naming: &Naming) {
        match naming {
            Naming::File(name, file) => drop(self.files.insert(name.clone(), *file)),
            Naming::Gone(name) => drop(self.files.remove(name)),
            Naming::Folder(name) => self.folders.push(name.clone()),
        }
    }
}

/// The disk, as a process sees it and as a cut would leave it.
pub struct Disk {
    model: Model,
    now: u64,
    contents: Vec<Content>,
    seen: Names,
    safe: Names,
    since: Vec<(u64, Naming)>,
    begun: HashMap<u64, u64>,
}

impl Disk {
    pub fn new(model: Model) -> Self {
        let (seen, safe) = (Names::default(), Names::default());
        Self { model, now: 0, contents: Vec::new(), seen, safe, since: Vec::new(), begun: HashMap::new() }
    }

    /// The next thing that the process did.
    pub fn apply(&mut self, entry: &Entry) {
        self.now += 1;
        match entry.what {
            What::Write => self.change(&entry.name, Change::Write(entry.offset, entry.data.clone())),
            What::Resize => self.change(&entry.name, Change::Resize(entry.offset)),
            What::Empty => self.change(&entry.name, Change::Resize(0)),
            What::Make => drop(self.file(&entry.name)),
            What::Rename => {
                let file = self.file(&entry.name);
                self.name(Naming::File(String::from_utf8(entry.data.clone()).unwrap(), file));
                self.name(Naming::Gone(entry.name.clone()));
            }
            What::Unlink => self.name(Naming::Gone(entry.name.clone())),
            What::Mkdir => self.name(Naming::Folder(entry.name.clone())),
            What::Sync | What::Push => drop(self.begun.insert(entry.number, self.now)),
            What::Synced => {
                if self.model != Model::WithoutOurSync || entry.thread != "store-commit" {
                    self.secure(entry, true);
                }
            }
            What::Pushed => {
                if self.model == Model::PowerLossProtected {
                    self.secure(entry, false);
                }
            }
        }
    }

    fn file(&mut self, name: &str) -> usize {
        if let Some(file) = self.seen.files.get(name) {
            return *file;
        }
        self.contents.push(Content::default());
        let file = self.contents.len() - 1;
        self.name(Naming::File(name.to_owned(), file));
        file
    }

    fn change(&mut self, name: &str, change: Change) {
        let file = self.file(name);
        self.contents[file].since.push((self.now, change));
    }

    fn name(&mut self, naming: Naming) {
        self.seen.apply(&naming);
        self.since.push((self.now, naming));
    }

    /// Everything of this file from before the sync began is on the disk, and with it all names from before.
    fn secure(&mut self, entry: &Entry, names: bool) {
        let Some(began) = self.begun.remove(&entry.number) else { return };
        if let Some(file) = self.seen.files.get(&entry.name) {
            let content = &mut self.contents[*file];
            let split = content.since.partition_point(|(at, _)| *at < began);
            for (_, change) in content.since.drain(..split) {
                put(&mut content.safe, &change);
            }
        }
        if names {
            let split = self.since.partition_point(|(at, _)| *at < began);
            for (_, naming) in self.since.drain(..split) {
                self.safe.apply(&naming);
            }
        }
    }

    /// Cuts the power: writes what the disk has then into a folder, and tells how it was chosen.
    pub fn cut(&self, to: &Path, random: &mut Random) -> String {
        let percent = [0, 50, 90][random.below(3)];
        let page = if random.happens(50) { 4096 } else { 512 };
        let mut names = self.safe.clone();
        let kept = random.below(self.since.len() + 1);
        self.since[..kept].iter().for_each(|(_, naming)| names.apply(naming));
        let content = |file: usize, random: &mut Random| {
            let Content { safe, since } = &self.contents[file];
            let mut bytes = safe.clone();
            for (_, change) in since {
                match change {
                    Change::Resize(_) if random.happens(percent) => put(&mut bytes, change),
                    Change::Resize(_) => {}
                    Change::Write(offset, data) => torn(&mut bytes, *offset, data, page, percent, random),
                }
            }
            bytes
        };
        write(to, &names, |file| content(file, random));
        format!("{percent} % of the pages of {page} bytes, {kept} of {} names", self.since.len())
    }

    /// Nothing is cut: writes everything into a folder.
    pub fn keep(&self, to: &Path) {
        write(to, &self.seen, |file| {
            let mut bytes = self.contents[file].safe.clone();
            self.contents[file].since.iter().for_each(|(_, change)| put(&mut bytes, change));
            bytes
        });
    }
}

fn write(to: &Path, names: &Names, mut content: impl FnMut(usize) -> Vec<u8>) {
    std::fs::create_dir_all(to).unwrap();
    for folder in &names.folders {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
    for (name, file) in &names.files {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content(*file)).unwrap();
    }
}

fn put(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Resize(size) => bytes.resize(*size, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

/// Of a write that was not synced, each page is there or is not.
fn torn(bytes: &mut Vec<u8>, offset: usize, data: &[u8], page: usize, percent: usize, random: &mut Random) {
    let mut at = 0;
    while at < data.len() {
        let end = data.len().min(at + page - (offset + at) % page);
        if random.happens(percent) {
            put(bytes, &Change::Write(offset + at, data[at..end].to_vec()));
        }
        at = end;
    }
}
