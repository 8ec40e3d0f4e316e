//! The journal and its views, over real files.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod released;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod views;
