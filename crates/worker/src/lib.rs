//! One run on one machine: workspace, sandbox, agent and gate, to a report.
