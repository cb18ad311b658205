//! What is measured: the cells of the matrix, in the order in which they are run.

use rt::real::device::{CHUNKS, Facts};

/// One measurement: an operation, repeated with `depth` of them in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The question it belongs to.
    pub(crate) series: Series,
    /// What is done.
    pub(crate) op: Op,
    /// `O_DIRECT`, or through the page cache.
    pub(crate) direct: bool,
    /// What lay under the bytes before.
    pub(crate) area: Area,
    /// Bytes of one operation in KiB.
    pub(crate) kib: u32,
    /// Operations in flight.
    pub(crate) depth: u32,
}

/// Questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// What does it cost to be durable?
    Flush,
    /// Which size of write?
    Size,
    /// Why prepare segments?
    Area,
    /// What would the page cache do?
    Buffered,
    /// How many reads at once?
    Read,
    /// What do several writes with one flush cost?
    Group,
    /// What do reads and commits cost each other?
    Beside,
    /// The rest of the matrix.
    Matrix,
}

/// An operation whose latency is taken as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A write that is complete, not durable.
    Write,
    /// A write with `RWF_DSYNC`. Direct and with FUA in the device: one command.
    Dsync,
    /// A write, then `fdatasync`.
    Fdatasync,
    /// As many writes at once as `depth` says, then one `fdatasync`: one operation.
    Group,
    /// A read at a random place.
    Read,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What the advice is drawn from, and what explains it.
    Usual,
    /// Every size, depth, method and kind of space; a steady state.
    Full,
}

/// Kinds of file space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Written with zeros and flushed before, as a prepared segment is.
    Zeroed,
    /// `fallocate`d only.
    Allocated,
    /// Beyond the end of the file.
    Extended,
}

impl Cell {
    /// Bytes of one read or write.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.kib) << 10
    }

    /// Reads or writes of one operation.
    pub(crate) fn writes_at_once(&self) -> u32 {
        if self.op == Op::Group { self.depth } else { 1 }
    }

    /// Operations in flight.
    pub(crate) fn workers(&self) -> u32 {
        self.depth / self.writes_at_once()
    }

    /// What is at work meanwhile: commits beside reads, reads beside commits.
    pub(crate) fn companion(&self) -> Option<Cell> {
        let other = if self.op == Op::Read { BESIDE[1] } else { BESIDE[0] };
        (self.series == Series::Beside).then_some(Cell { direct: self.direct, ..other })
    }

    /// Its part of time and bytes: a full probe gives what the advice is drawn from as much as a usual one does.
    pub(crate) fn weight(&self) -> u64 {
        if self.series == Series::Matrix { 1 } else { 4 }
    }

    /// Whether it, or what is beside it, writes.
    pub(crate) fn writes(&self) -> bool {
        self.op != Op::Read || self.companion().is_some()
    }

    /// For progress.
    pub(crate) fn label(&self) -> String {
        format!(
            "{} {} {} KiB x {}, {}",
            if self.direct { "direct" } else { "buffered" },
            self.op.word(),
            self.kib,
            self.depth,
            self.area.word()
        ) + if self.companion().is_some() { ", beside the other" } else { "" }
    }
}

impl Series {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Series::Flush => "flush",
            Series::Size => "size",
            Series::Area => "area",
            Series::Buffered => "buffered",
            Series::Read => "read",
            Series::Group => "group",
            Series::Beside => "beside",
            Series::Matrix => "matrix",
        }
    }
}

impl Op {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Op::Write => "write",
            Op::Dsync => "dsync",
            Op::Fdatasync => "fdatasync",
            Op::Group => "group",
            Op::Read => "read",
        }
    }
}

impl Area {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Area::Zeroed => "zeroed",
            Area::Allocated => "allocated",
            Area::Extended => "extended",
        }
    }
}

/// Writes in flight in the series of flushes, and reads.
pub(crate) const DEPTHS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Writes of a group that are flushed together.
pub(crate) const GROUPS: [u32; 3] = [4, 16, 64];
/// Size of a commit that carries few messages.
pub(crate) const SMALL_KIB: u32 = 4;
/// Sizes beside it. Those of [`CHUNKS`] are among them.
const SIZES_KIB: [u32; 5] = [16, 64, 128, 256, 1_024];
/// The size and depth that the paced writer of async mode works with.
pub(crate) const CHUNK_DEPTH: u32 = 4;
/// Buffered writes that are compared with direct chunks.
pub(crate) const BUFFERED_KIB: u32 = 256;

const fn beside(op: Op, kib: u32, depth: u32) -> Cell {
    Cell { series: Series::Beside, op, direct: true, area: Area::Zeroed, kib, depth }
}

/// Cold pulls and a loaded SYNC_FLUSH: reads and commits that run beside each other.
pub(crate) const BESIDE: [Cell; 2] = [beside(Op::Read, SMALL_KIB, 4), beside(Op::Fdatasync, 64, 1)];

/// The cells that make sense under a directory with these facts.
pub(crate) fn plan(facts: &Facts, scope: Scope) -> Vec<Cell> {
    let mut cells = usual(facts);
    if scope == Scope::Full {
        let missing = |cell: &Cell| {
            let known =
                |other: &Cell| Cell { series: cell.series, ..*other } == *cell && other.companion().is_none();
            !cells.iter().any(known)
        };
        let matrix: Vec<Cell> = matrix(facts.direct).filter(missing).collect();
        cells.extend(matrix);
    }
    cells
}

/// Every size, method, depth and kind of space.
fn matrix(direct: bool) -> impl Iterator<Item = Cell> {
    let areas = [Area::Zeroed, Area::Allocated, Area::Extended];
    let ops = [Op::Write, Op::Dsync, Op::Fdatasync, Op::Group];
    let all = areas.into_iter().flat_map(move |area| {
        [SMALL_KIB, 16, 64, 256, 1_024].into_iter().flat_map(move |kib| {
            ops.into_iter().flat_map(move |op| {
                [1, 4, 16, 64].map(|depth| Cell { series: Series::Matrix, op, direct, area, kib, depth })
            })
        })
    });
    // A group of one is a write with its flush; one of many large ones is a file.
    all.filter(|cell| cell.op != Op::Group || (cell.depth > 1 && cell.kib <= 64))
}

fn usual(facts: &Facts) -> Vec<Cell> {
    let direct = facts.direct;
    let cell = |series, op, area, kib, depth| Cell { series, op, direct, area, kib, depth };
    let mut cells = Vec::new();
    let durable = [Op::Write, Op::Dsync, Op::Fdatasync];
    for depth in DEPTHS {
        cells.extend(durable.map(|op| cell(Series::Flush, op, Area::Zeroed, SMALL_KIB, depth)));
    }
    if direct {
        // Through the page cache they would measure memory.
        cells.extend(DEPTHS.map(|depth| cell(Series::Read, Op::Read, Area::Zeroed, SMALL_KIB, depth)));
        cells.extend([1, 4, 8].map(|depth| cell(Series::Read, Op::Read, Area::Zeroed, 128, depth)));
        let buffered = |op, kib| Cell { direct: false, ..cell(Series::Buffered, op, Area::Zeroed, kib, 1) };
        cells.extend([buffered(Op::Dsync, SMALL_KIB), buffered(Op::Fdatasync, SMALL_KIB)]);
    }
    cells.extend(GROUPS.map(|depth| cell(Series::Group, Op::Group, Area::Zeroed, SMALL_KIB, depth)));
    if direct {
        cells.extend(BESIDE);
    }
    for area in [Area::Extended, Area::Allocated, Area::Zeroed] {
        cells.extend([Op::Dsync, Op::Fdatasync].map(|op| cell(Series::Area, op, area, SMALL_KIB, 1)));
        cells.push(cell(Series::Area, Op::Write, area, 64, CHUNK_DEPTH));
    }
    for kib in SIZES_KIB {
        cells.extend(durable.map(|op| cell(Series::Size, op, Area::Zeroed, kib, 1)));
        cells.push(cell(Series::Size, Op::Write, Area::Zeroed, kib, CHUNK_DEPTH));
    }
    cells.push(Cell { direct: false, ..cell(Series::Buffered, Op::Write, Area::Zeroed, BUFFERED_KIB, 1) });
    cells
}

const _: () =
    assert!(CHUNKS[0] == SIZES_KIB[1] && CHUNKS[3] == SIZES_KIB[4] && CHUNKS.len() + 1 == SIZES_KIB.len());

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(direct: bool) -> Facts {
        Facts { filesystem: "ext4".into(), direct, direct_alignment: None, device: None }
    }

    #[test]
    fn no_cell_is_measured_twice() {
        let cells = plan(&facts(true), Scope::Full);
        assert!(cells.len() > 3 * plan(&facts(true), Scope::Usual).len());
        for (index, cell) in cells.iter().enumerate() {
            assert!(!cells[..index].contains(cell), "{}", cell.label());
        }
        for chunk in CHUNKS {
            let found = cells.iter().any(|cell| {
                cell.series == Series::Size
                    && cell.op == Op::Write
                    && cell.kib == chunk
                    && cell.depth == CHUNK_DEPTH
            });
            assert!(found, "{chunk} KiB");
        }
    }

    #[test]
    fn nothing_is_direct_where_that_is_impossible() {
        assert!(plan(&facts(false), Scope::Full).iter().all(|cell| !cell.direct));
    }
}
