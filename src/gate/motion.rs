//! What moves before one camera: each frame against the background, light told from things, things that stay told
//! from things that live. What follows from it is decided in `life`.

use std::time::Duration;

use super::background::{Background, Class};
use super::blobs::{Blob, Blobs, Trace};
use super::cut;
use super::exposure::{Exposure, Fitter};
use super::kinds::{Kind, Rules};
use super::luma::{Grid, Shrink};
use super::places::{Place, Places};
use super::portrait::Cells;
use super::thresholds::{GAP, LEARNING, LEARNING_FRAMES, PATIENCE, SLOW, Thresholds};
use crate::frame::Picture;
use crate::units::Region;

/// A cell is old when it has not changed for so many seconds.
const OLD: f32 = 1.5;
/// Whatever moves gets at most so many times its own length away in a second.
const REACH: f32 = 2.5;
/// Below this agreement with the background the picture shows something else altogether.
const OTHER_SCENE: f32 = 0.45;
/// A thing that fills so much of the view for so long is the view.
const FILLED: f32 = 0.7;
const FILLED_FOR: Duration = Duration::from_secs(5);
/// Another scene is learnt once it has held still for the first time, or in any case after the second.
const OTHER_STILL: Duration = Duration::from_millis(600);
const OTHER_ANYWAY: Duration = Duration::from_secs(3);
/// A cut is believed once it has lasted so long: a single broken picture is none. A slow camera is believed at once.
const CUT_LASTS: Duration = Duration::from_millis(300);
/// Mean change of the light that is worth a name, in grey levels.
const LIGHT_CHANGE: f32 = 1.5;

/// What one frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sight {
    /// Share of the open view that things cover, 0 to 1.
    pub(super) foreground: f32,
    /// The share that starts an event.
    pub(super) threshold: f32,
    /// Something in view moved just now.
    pub(super) living: bool,
    /// Nothing that moved was anywhere near a moment ago: an insect, a drop, perhaps the first sight of somebody.
    pub(super) strays: bool,
    /// What moved was not in view a while ago.
    pub(super) newcomer: bool,
    /// Something large enough is in view that does not move, and has not been taken for the scene yet.
    pub(super) lingering: bool,
    /// Shares of the view that moved just now, but under masks or outside the zones, ...
    pub(super) masked: f32,
    pub(super) outside: f32,
    /// ... and the share that would have been something.
    pub(super) least: f32,
    /// Share of the open view that changed with the light, 0 to 1.
    pub(super) lighting: f32,
    /// Share of the things' rim that the border of the picture cuts off, 0 to 1.
    pub(super) cut: f32,
    /// The picture is of another scene than before, and this is the frame that makes it certain.
    pub(super) other_scene: bool,
    /// Around what moves, or else around what stays.
    pub(super) region: Option<Region>,
}

/// Remembers one camera's scene. Keeps its scratch, so that a steady stream allocates nothing.
#[derive(Debug, Clone)]
pub(super) struct Watcher {
    thresholds: Thresholds,
    places: Places,
    shrink: Shrink,
    fitter: Fitter,
    background: Background,
    blobs: Blobs,
    grid: Option<Grid>,
    /// What each cell is good for; those where things are looked for, and how many.
    place: Vec<Place>,
    open: Vec<bool>,
    open_count: usize,
    frame: Vec<f32>,
    /// Cells that differ, and their indices.
    marked: Vec<bool>,
    differing: Vec<usize>,
    /// Of the blobs, in their order.
    kinds: Vec<Kind>,
    /// Where things were in the frame before.
    traces: Vec<Trace>,
    classes: Vec<Class>,
    learning_since: Duration,
    /// Since when the picture is of another scene.
    other_since: Option<Duration>,
    /// Since when things fill the view.
    filled_since: Option<Duration>,
    last: Option<Duration>,
}

impl Watcher {
    pub(super) fn new(sensitivity: f32, places: Places) -> Self {
        Self {
            thresholds: Thresholds::new(sensitivity),
            places,
            shrink: Shrink::default(),
            fitter: Fitter::default(),
            background: Background::default(),
            blobs: Blobs::default(),
            grid: None,
            place: Vec::new(),
            open: Vec::new(),
            open_count: 0,
            frame: Vec::new(),
            marked: Vec::new(),
            differing: Vec::new(),
            kinds: Vec::new(),
            traces: Vec::new(),
            classes: Vec::new(),
            learning_since: Duration::ZERO,
            other_since: None,
            filled_since: None,
            last: None,
        }
    }

    /// Forgets the scene: what comes next may be another one.
    pub(super) fn forget(&mut self) {
        self.background.forget();
        self.other_since = None;
        self.filled_since = None;
        self.classes.fill(Class::Scene);
    }

    /// What each cell was taken for in the last frame, row by row.
    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Whether the last picture was of another scene, or in another light, in a way that only more pictures can tell.
    pub(super) fn is_puzzled(&self) -> bool {
        self.other_since.is_some()
    }

    /// The small luma of the last frame.
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells { luma: &self.frame, cols: self.grid.map_or(1, |grid| grid.cols) }
    }

    /// The empty scene, once it has been learnt, row by row.
    pub(super) fn scene(&self) -> Option<&[f32]> {
        self.has_learnt().then(|| self.background.level())
    }

    /// What each cell is good for, row by row.
    pub(super) fn place(&self) -> &[Place] {
        &self.place
    }

    /// Looks at a picture taken at `at`, which never goes back.
    pub(super) fn watch(&mut self, picture: &Picture, at: Duration) -> Sight {
        let dt = at.saturating_sub(self.last.unwrap_or(at));
        self.last = Some(at);
        let grid = self.fit_grid(picture);
        self.shrink.run(picture.plane(0), &grid, &mut self.frame);
        if self.learns(at) {
            self.background.learn(&self.frame);
            return self.nothing();
        }
        let passed = dt.as_secs_f32();
        let before = self.background.exposure();
        let exposure = self.expose(&grid);
        if exposure.agreement < OTHER_SCENE {
            return self.other_scene(&grid, at, dt);
        }
        self.other_since = None;
        // A frame noisier than the background remembers is not a frame full of things.
        let spread = 0.8 * exposure.spread;
        self.leave_traces();
        let stir = self.background.meet(&self.frame, exposure, &self.thresholds, spread, passed);
        let mut sight = if stir.off > 0 { self.sort(&grid, spread, dt) } else { self.nothing() };
        if stir.apart > 0 {
            self.background.widen(&self.frame, &self.classes);
        }
        let brighter = exposure.apply(exposure.middle) - before.apply(exposure.middle);
        if brighter.abs() > LIGHT_CHANGE {
            sight.lighting = exposure.agreement.max(sight.lighting);
        }
        self.background.adapt(&self.frame, &self.classes, dt.min(GAP).as_secs_f32());
        self.mind_filled(&sight, at);
        sight
    }

    /// The sight of a scene without anything in it.
    fn nothing(&mut self) -> Sight {
        self.classes.fill(Class::Scene);
        Sight { threshold: self.thresholds.area, ..Sight::default() }
    }

    /// The grid of this picture; with another size than before, everything begins anew.
    fn fit_grid(&mut self, picture: &Picture) -> Grid {
        let grid = Grid::of(picture);
        if self.grid != Some(grid) {
            self.grid = Some(grid);
            self.forget();
            self.place = self.places.lay(&grid);
            self.open = self.place.iter().map(|place| *place == Place::Open).collect();
            self.open_count = self.open.iter().filter(|open| **open).count();
            self.frame = vec![0.0; grid.len()];
            self.marked = vec![false; grid.len()];
            // Room for the worst, so that none is asked for later.
            self.differing = Vec::with_capacity(grid.len());
            self.kinds = Vec::with_capacity(grid.len());
            self.traces = Vec::with_capacity(grid.len() / 4);
            self.classes = vec![Class::Scene; grid.len()];
        }
        grid
    }

    /// Whether the last frame was held against a scene that is known.
    pub(super) fn has_learnt(&self) -> bool {
        self.last.is_some_and(|last| !self.learning(last))
    }

    /// Whether the scene is still being learnt.
    fn learns(&mut self, at: Duration) -> bool {
        if self.background.learnt() == 0 {
            self.learning_since = at;
        }
        self.learning(at)
    }

    fn learning(&self, at: Duration) -> bool {
        self.background.learnt() < LEARNING_FRAMES
            || at.saturating_sub(self.learning_since) < LEARNING && self.background.learnt() < 100
    }

    /// How the light changed, asked of the cells where nothing is.
    fn expose(&mut self, grid: &Grid) -> Exposure {
        let (frame, reference, cols) = (&self.frame, self.background.reference(), grid.cols);
        let (place, classes) = (&self.place, &self.classes);
        let usable = |i: usize| place[i] != Place::Masked && classes[i] != Class::Thing;
        let mut fit = self.fitter.fit(frame, reference, cols, usable);
        if fit.is_some_and(|fit| fit.agreement < OTHER_SCENE) && place.contains(&Place::Outside) {
            // Things outside the zones are not known as such: where they fill most of the view, the zones decide alone.
            let inside = |i: usize| place[i] == Place::Open && classes[i] != Class::Thing;
            fit = self.fitter.fit(frame, reference, cols, inside).or(fit);
        }
        // Where things hide the whole scene, the light is taken to be as it was.
        fit.unwrap_or_else(|| self.background.exposure())
    }

    /// The camera was turned, covered, or switched to infrared, or shows another view: nothing in the picture can be
    /// compared. Another scene is news and is learnt at once; other light is learnt when it holds still.
    fn other_scene(&mut self, grid: &Grid, at: Duration, dt: Duration) -> Sight {
        let since = *self.other_since.get_or_insert(at);
        self.classes.fill(Class::Scene);
        let lasts = dt >= SLOW || at > since && at.saturating_sub(since) >= CUT_LASTS;
        if lasts && cut::is_other_scene(&self.frame, self.background.reference(), &self.open, grid.cols) {
            self.forget();
            return Sight { threshold: self.thresholds.area, other_scene: true, ..Sight::default() };
        }
        let stirred = self.background.stir(&self.frame, &self.thresholds, dt.as_secs_f32());
        let held = at.saturating_sub(since);
        if held >= OTHER_STILL && stirred < 0.1 || held >= OTHER_ANYWAY {
            self.forget();
        }
        Sight { threshold: self.thresholds.area, lighting: 1.0, ..Sight::default() }
    }

    /// Sorts what differs into blobs, and the blobs into things, light and specks.
    fn sort(&mut self, grid: &Grid, spread: f32, dt: Duration) -> Sight {
        let mut sight = self.nothing();
        self.gather(grid, spread, &mut sight);
        if self.differing.is_empty() {
            return sight;
        }
        self.blobs.find(&self.differing, grid);
        self.measure(grid, spread);
        let rules = Rules { full: self.min_cells(), patience: PATIENCE.max(dt.saturating_mul(3)).as_secs_f32() };
        self.kinds.extend(self.blobs.list.iter().map(|blob| rules.judge(blob)));
        self.classify(grid);
        self.describe(grid, &mut sight);
        sight.strays = sight.living && !self.follows(dt);
        sight
    }

    /// Notes where things were in the last frame.
    fn leave_traces(&mut self) {
        let things = |kind: &Kind| matches!(kind, Kind::Living { .. } | Kind::Lingering { .. });
        let blobs = self.blobs.list.iter().zip(&self.kinds);
        self.traces.clear();
        self.traces.extend(blobs.filter(|(_, kind)| things(kind)).map(|(blob, _)| blob.trace()));
        self.blobs.list.clear();
        self.kinds.clear();
    }

    /// Lists the cells that differ, less those that only sway, those under masks and those outside the zones, and says how
    /// much of the latter moved just now.
    fn gather(&mut self, grid: &Grid, spread: f32, sight: &mut Sight) {
        let (mut masked, mut outside) = (0_usize, 0_usize);
        self.differing.clear();
        self.marked.fill(false);
        for (i, _) in self.background.off().iter().enumerate().filter(|(_, off)| **off) {
            if self.background.sways(&self.frame, grid, i, &self.thresholds, spread) {
                continue;
            }
            let moved = usize::from(self.background.age()[i] <= 0.0);
            match self.place[i] {
                Place::Open => {
                    self.marked[i] = true;
                    self.differing.push(i);
                    continue;
                }
                Place::Masked => masked += moved,
                Place::Outside => outside += moved,
            }
            // Kept as it is, so that what comes and goes there every day does not become the scene.
            self.classes[i] = Class::Near;
        }
        let all = grid.len().max(1) as f32;
        sight.masked = masked as f32 / all;
        sight.outside = outside as f32 / all;
        sight.least = self.min_cells().div_ceil(2) as f32 / all;
    }

    fn min_cells(&self) -> usize {
        ((self.thresholds.area * self.open_count as f32) as usize).max(6)
    }

    /// Adds each marked cell to its blob, with what there is to know about it.
    fn measure(&mut self, grid: &Grid, spread: f32) {
        for &i in &self.differing {
            let (col, row) = (i % grid.cols, i / grid.cols);
            let label = self.blobs.of(col, row);
            let blob = &mut self.blobs.list[label];
            let age = self.background.age()[i];
            blob.add(col, row, age);
            blob.old += usize::from(age >= OLD);
            blob.border += usize::from(col == 0 || row == 0 || col + 1 == grid.cols || row + 1 == grid.rows);
            let neighbours = [
                (col > 0).then(|| i - 1),
                (col + 1 < grid.cols).then_some(i + 1),
                (row > 0).then(|| i - grid.cols),
                (row + 1 < grid.rows).then_some(i + grid.cols),
            ];
            let (mut edge, mut rim) = (false, false);
            for j in neighbours.into_iter().flatten() {
                let step = self.background.step(&self.frame, i, j, &self.thresholds, spread);
                edge |= step.other;
                rim |= !self.marked[j];
                if self.marked[j] && step.clear {
                    blob.asked += 1;
                    blob.kept += usize::from(step.kept);
                }
            }
            blob.edges += usize::from(edge);
            blob.rim += usize::from(rim);
            blob.rim_edges += usize::from(edge && rim);
        }
    }

    fn classify(&mut self, grid: &Grid) {
        for &i in &self.differing {
            self.classes[i] = self.kinds[self.blobs.of(i % grid.cols, i / grid.cols)].class();
        }
        for (blob, kind) in self.blobs.list.iter().zip(&self.kinds) {
            if matches!(kind, Kind::Living { .. } | Kind::Lingering { .. }) {
                keep_near(blob, grid, &mut self.classes);
            }
        }
    }

    /// Whether anything that moved was in reach of where it is a moment ago.
    fn follows(&self, dt: Duration) -> bool {
        if dt >= SLOW {
            return true;
        }
        let reach = REACH * dt.as_secs_f32();
        let moves = self.blobs.list.iter().zip(&self.kinds).filter(|(_, kind)| matches!(kind, Kind::Living { .. }));
        moves.map(|(blob, _)| blob).any(|blob| self.traces.iter().any(|trace| trace.reaches(blob, reach)))
    }

    fn describe(&self, grid: &Grid, sight: &mut Sight) {
        let open = self.open_count.max(1) as f32;
        let (mut moving, mut staying): (Option<Region>, Option<Region>) = (None, None);
        let (mut border, mut rim, mut covered) = (0, 0, 0);
        for (blob, kind) in self.blobs.list.iter().zip(&self.kinds) {
            let region = grid.region(blob.first, blob.last);
            let join = |to: &mut Option<Region>| *to = Some(to.map_or(region, |r| r.union(region)));
            match *kind {
                Kind::Living { newcomer } => {
                    sight.living = true;
                    sight.newcomer |= newcomer;
                    join(&mut moving);
                }
                Kind::Lingering { large } => {
                    sight.lingering |= large;
                    join(&mut staying);
                }
                Kind::Light => {
                    sight.lighting += blob.area as f32 / open;
                    continue;
                }
                Kind::Speck | Kind::Settled => continue,
            }
            covered += blob.area;
            border += blob.border;
            rim += blob.rim;
        }
        sight.foreground = covered as f32 / open;
        sight.cut = border as f32 / (border + rim).max(1) as f32;
        sight.region = moving.or(staying);
    }

    /// A thing that fills the view for long is the view: the camera was turned towards a wall, or follows something.
    fn mind_filled(&mut self, sight: &Sight, at: Duration) {
        if sight.foreground < FILLED {
            self.filled_since = None;
        } else if at.saturating_sub(*self.filled_since.get_or_insert(at)) >= FILLED_FOR {
            self.forget();
        }
    }
}

/// Grey clothes before a grey wall do not differ from it: what lies around a thing is not learnt while it is there.
fn keep_near(blob: &Blob, grid: &Grid, classes: &mut [Class]) {
    /// Cells.
    const MARGIN: usize = 2;
    let (left, right) = (blob.first.0.saturating_sub(MARGIN), (blob.last.0 + MARGIN).min(grid.cols - 1));
    for row in blob.first.1.saturating_sub(MARGIN)..=(blob.last.1 + MARGIN).min(grid.rows - 1) {
        for class in &mut classes[row * grid.cols + left..=row * grid.cols + right] {
            if matches!(class, Class::Scene | Class::Speck) {
                *class = Class::Near;
            }
        }
    }
}
