//! Tries every order of a bounded set of inputs on a deterministic machine.
//!
//! The search is breadth first: the first script that breaks an invariant is one of the shortest.
//! Machines are not cloned, because a copy would share its seed with the original; a state is
//! reached again by replaying the inputs that led to it, which also proves that they lead there.

use std::{
    collections::HashSet,
    fmt::{self, Debug, Write as _},
    hash::{DefaultHasher, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// A machine with a model of the world around it.
pub trait Model {
    /// The machine, and what its surroundings know.
    type World;
    /// Something that the surroundings do.
    type Input: Copy + Debug;

    /// The beginning of every script. A world that writes a log says in it what it was asked for.
    fn start(&self, has_log: bool) -> Self::World;

    /// What may happen next, as far as the budget of inputs goes.
    fn inputs(&self, world: &Self::World) -> Vec<Self::Input>;

    /// Lets it happen, and checks all that holds after every input.
    fn apply(&self, world: &mut Self::World, input: Self::Input) -> Result<(), String>;

    /// A text that is equal for states from which the same can follow.
    fn form(&self, world: &Self::World) -> String;

    /// Names of the ways in which every path is ended, from each state.
    fn endings(&self) -> &'static [&'static str];

    /// Ends a path in one of these ways, and checks what holds then.
    fn end(&self, world: &mut Self::World, ending: usize) -> Result<(), String>;

    /// What a world with a log has written since it was asked last.
    fn take_log(&self, world: &mut Self::World) -> Vec<String>;
}

/// Where a search stops.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Inputs in one script.
    pub depth: usize,
    /// Different states.
    pub states: usize,
    pub time: Duration,
}

/// What a search has seen.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Different states.
    pub states: usize,
    /// Inputs tried: one state with one input each.
    pub edges: usize,
    /// All scripts up to this length were tried.
    pub depth: usize,
    /// Whether every order of the inputs was tried.
    pub is_complete: bool,
    pub time: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_complete {
            "which are all"
        } else {
            "stopped at a bound"
        };
        write!(
            f,
            "{} states, {} edges, all scripts up to {} inputs, {end}, {:.1} s",
            self.states,
            self.edges,
            self.depth,
            self.time.as_secs_f64()
        )
    }
}

struct Node<I> {
    parent: u32,
    depth: u16,
    input: Option<I>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    nodes: Vec<Node<M::Input>>,
    seen: HashSet<u128>,
    edges: usize,
    /// Scripts up to this length were all tried.
    done: usize,
    begin: Instant,
}

/// Visits every state within the bounds, ends a path in each, and reports; or prints the shortest
/// script that breaks an invariant.
pub fn explore<M: Model>(model: &M, bounds: Bounds) -> Result<Report, String> {
    let mut search = Search {
        model,
        nodes: Vec::new(),
        seen: HashSet::new(),
        edges: 0,
        done: 0,
        begin: Instant::now(),
    };
    let is_complete = search.run(bounds)?;
    Ok(Report {
        states: search.nodes.len(),
        edges: search.edges,
        depth: search.done,
        is_complete,
        time: search.begin.elapsed(),
    })
}

impl<M: Model> Search<'_, M> {
    fn run(&mut self, bounds: Bounds) -> Result<bool, String> {
        let world = self.model.start(false);
        self.add(&world, 0, 0, None)?;
        let mut is_complete = true;
        let mut next = 0;
        while next < self.nodes.len() {
            if self.nodes.len() >= bounds.states || self.begin.elapsed() >= bounds.time {
                return Ok(false);
            }
            let mut world = Some(self.replay(next)?);
            let depth = usize::from(self.nodes[next].depth);
            self.done = depth;
            let inputs = world.as_ref().map_or(vec![], |it| self.model.inputs(it));
            if depth >= bounds.depth && !inputs.is_empty() {
                is_complete = false;
            } else {
                for input in inputs {
                    let mut world = match world.take() {
                        Some(world) => world,
                        None => self.replay(next)?,
                    };
                    self.edges += 1;
                    let done = guarded(|| self.model.apply(&mut world, input));
                    if let Err(fault) = done {
                        let mut script = self.script(next);
                        script.push(input);
                        return Err(self.transcript(&script, None, &fault));
                    }
                    self.add(&world, next, depth + 1, Some(input))?;
                }
            }
            next += 1;
        }
        Ok(is_complete)
    }

    /// Adds a state that was not seen yet, and ends a path there in every way.
    fn add(
        &mut self,
        world: &M::World,
        parent: usize,
        depth: usize,
        input: Option<M::Input>,
    ) -> Result<(), String> {
        if !self.seen.insert(digest(&self.model.form(world))) {
            return Ok(());
        }
        let node = self.nodes.len();
        self.nodes.push(Node {
            parent: u32::try_from(parent).expect("fewer states than 2^32"),
            depth: u16::try_from(depth).expect("short scripts"),
            input,
        });
        for ending in 0..self.model.endings().len() {
            let mut world = self.replay(node)?;
            if ending == 0 && !self.seen.contains(&digest(&self.model.form(&world))) {
                let script = self.script(node);
                return Err(self.transcript(&script, None, "a repeated run does not repeat"));
            }
            if let Err(fault) = guarded(|| self.model.end(&mut world, ending)) {
                let script = self.script(node);
                return Err(self.transcript(&script, Some(ending), &fault));
            }
        }
        Ok(())
    }

    fn script(&self, mut node: usize) -> Vec<M::Input> {
        let mut script = Vec::new();
        while let Some(input) = self.nodes[node].input {
            script.push(input);
            node = self.nodes[node].parent as usize;
        }
        script.reverse();
        script
    }

    fn replay(&self, node: usize) -> Result<M::World, String> {
        let mut world = self.model.start(false);
        for input in self.script(node) {
            self.model.apply(&mut world, input)?;
        }
        Ok(world)
    }

    fn transcript(&self, script: &[M::Input], ending: Option<usize>, fault: &str) -> String {
        let mut text = format!("{fault}\n");
        let mut world = self.model.start(true);
        let write = |text: &mut String, title: &str, world: &mut M::World| {
            _ = writeln!(text, "  {title}");
            for line in self.model.take_log(world) {
                _ = writeln!(text, "      {line}");
            }
        };
        write(&mut text, "to begin with", &mut world);
        for &input in script {
            let _ = guarded(|| self.model.apply(&mut world, input));
            write(&mut text, &format!("{input:?}"), &mut world);
        }
        if let Some(ending) = ending {
            let _ = guarded(|| self.model.end(&mut world, ending));
            let title = format!("then: {}", self.model.endings()[ending]);
            write(&mut text, &title, &mut world);
        }
        text
    }
}

/// A panic of the machine breaks an invariant, too.
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it panics".to_owned()))
}

/// 128 bits: among millions of states no two get the same by chance.
fn digest(form: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(form.as_bytes());
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
