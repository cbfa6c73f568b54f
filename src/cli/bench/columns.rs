//! Rows of figures with one group of columns per combination, as many side by side as fit. Pure.

/// Columns of a line.
pub(super) const WIDTH: usize = 100;
/// A figure with the space before it.
const CELL: usize = 10;

/// The columns of one combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) heads: Vec<&'static str>,
    /// One per row: a cell per head, or one for all of them, or nothing.
    pub(super) rows: Vec<Vec<String>>,
}

impl Group {
    fn width(&self) -> usize {
        let widest = self.rows.iter().filter(|row| row.len() == 1).map(|row| length(&row[0])).max().unwrap_or(0);
        (self.heads.len() * CELL).max(length(&self.title) + 2).max(widest + 2)
    }

    fn line(&self, cells: &[String]) -> String {
        let width = self.width();
        let joined: String = match cells {
            [one] if self.heads.len() > 1 => one.clone(),
            cells => cells.iter().map(|cell| format!("{cell:>CELL$}")).collect(),
        };
        format!("{joined:>width$}")
    }
}

/// The names of the rows on the left; groups that do not fit beside the others follow below.
pub(super) fn lay_out(names: &[String], groups: &[Group]) -> String {
    let left = names.iter().map(|name| length(name)).max().unwrap_or(0);
    let mut text = String::new();
    let mut rest = groups;
    while !rest.is_empty() {
        let fitting = fitting(rest, WIDTH.saturating_sub(left));
        let (block, others) = rest.split_at(fitting);
        if !text.is_empty() {
            text.push('\n');
        }
        let titles: String = block.iter().map(|group| format!("{:>1$}", group.title, group.width())).collect();
        line(&mut text, "", left, &titles);
        let heads = |group: &Group| group.line(&group.heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>());
        if block.iter().any(|group| group.heads.iter().any(|head| !head.is_empty())) {
            line(&mut text, "", left, &block.iter().map(heads).collect::<String>());
        }
        for (row, name) in names.iter().enumerate() {
            let cells: String = block.iter().map(|group| group.line(&group.rows[row])).collect();
            if !cells.trim().is_empty() || name.is_empty() {
                line(&mut text, name, left, &cells);
            }
        }
        rest = others;
    }
    text
}

/// How many of the groups fit into so much room; at least one.
fn fitting(groups: &[Group], room: usize) -> usize {
    let mut used = 0;
    let fit = groups.iter().take_while(|group| {
        used += group.width();
        used <= room
    });
    fit.count().max(1)
}

fn line(text: &mut String, name: &str, left: usize, cells: &str) {
    text.push_str(format!("{name:<left$}{cells}").trim_end());
    text.push('\n');
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(title: &str) -> Group {
        let cells = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rows = vec![cells(&["1.50", "12.25"]), cells(&[]), cells(&["181 MiB"])];
        Group { title: title.into(), heads: vec!["median", "p95"], rows }
    }

    #[test]
    fn figures_stand_below_each_other_and_empty_rows_go() {
        let names = ["encode", "nothing", "memory"].map(str::to_owned);
        insta::assert_snapshot!(lay_out(&names, &[group("int8"), group("a title that is long")]), @r"
                               int8  a title that is long
                   median       p95      median       p95
        encode       1.50     12.25        1.50     12.25
        memory              181 MiB               181 MiB
        ");
    }

    #[test]
    fn what_does_not_fit_stands_below() {
        let names = ["encode", "nothing", "memory"].map(str::to_owned);
        let groups: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(group).into();
        let text = lay_out(&names, &groups);
        assert_eq!(text.matches("encode").count(), 2, "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }
}
