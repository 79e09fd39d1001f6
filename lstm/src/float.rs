//! The precisions of a model, with the heavy code for each compiled once, in this crate.
//!
//! A generic function is compiled wherever it is used. For the engine's kernels, which exist for
//! every instruction set, that would be half a minute for each program and each test that links
//! this crate. So the generic code calls them through a trait whose two implementations are not
//! generic.

/// `f32` or `f64`: the precision of a model.
#[allow(private_bounds, reason = "no other type can implement it")]
pub trait Float: kernels::Float + compiled::Compiled {}

impl Float for f32 {}
impl Float for f64 {}

pub(crate) mod compiled {
    use std::ops::Range;

    use kernels::{Isa, Team};

    use crate::engine::{
        Backward, Call, Forward, Gradient, Hoist, OneStep, Options, Packings, Plan, Products, View,
    };
    use crate::layer::{Layer, Operation};
    use crate::optimizer::State;
    use crate::shape::Shape;

    /// What is compiled here.
    pub(crate) trait Compiled: Sized {
        fn operation(layer: &Layer, isa: Isa, inputs: &[Shape]) -> Box<dyn Operation<Self>>;
        fn pack_forward(
            packings: &mut Packings<Self>,
            isa: Isa,
            options: Options,
            plan: Plan,
            call: &Call<Self>,
        );
        fn pack_backward(
            packings: &mut Packings<Self>,
            isa: Isa,
            options: Options,
            plan: Plan,
            call: &Call<Self>,
            dx: bool,
        );
        fn forward(
            job: Forward<Self>,
            view: View<Self>,
            x: &[Self],
            y: Option<&mut [Self]>,
            hoist: &mut Hoist<Self>,
        );
        fn read(job: Forward<Self>, view: View<Self>, x: &[Self], steps: Range<usize>);
        fn steps(
            job: Forward<Self>,
            view: View<Self>,
            y: Option<&mut [Self]>,
            hoist: &mut Hoist<Self>,
            steps: Range<usize>,
            team: &mut Team,
        );
        fn step(isa: Isa, step: OneStep<Self>);
        fn backward(job: Backward<Self>, view: View<Self>, dy: Gradient<Self>);
        fn products(job: Products<Self>);
        fn optimize(state: &mut State<Self>, isa: Isa, weights: &mut [Self], grads: &mut [Self]);
    }

    macro_rules! compiled {
        ($($scalar:ty),*) => {$(
            impl Compiled for $scalar {
                fn operation(
                    layer: &Layer,
                    isa: Isa,
                    inputs: &[Shape],
                ) -> Box<dyn Operation<Self>> {
                    layer.operation(isa, inputs)
                }

                fn pack_forward(
                    packings: &mut Packings<Self>,
                    isa: Isa,
                    options: Options,
                    plan: Plan,
                    call: &Call<Self>,
                ) {
                    packings.forward(isa, options, plan, call);
                }

                fn pack_backward(
                    packings: &mut Packings<Self>,
                    isa: Isa,
                    options: Options,
                    plan: Plan,
                    call: &Call<Self>,
                    dx: bool,
                ) {
                    packings.backward(isa, options, plan, call, dx);
                }

                fn forward(
                    job: Forward<Self>,
                    view: View<Self>,
                    x: &[Self],
                    y: Option<&mut [Self]>,
                    hoist: &mut Hoist<Self>,
                ) {
                    job.run(view, x, y, hoist);
                }

                fn read(job: Forward<Self>, view: View<Self>, x: &[Self], steps: Range<usize>) {
                    job.read(view, x, steps);
                }

                fn steps(
                    job: Forward<Self>,
                    view: View<Self>,
                    y: Option<&mut [Self]>,
                    hoist: &mut Hoist<Self>,
                    steps: Range<usize>,
                    team: &mut Team,
                ) {
                    job.steps(view, y, hoist, steps, team);
                }

                fn step(isa: Isa, step: OneStep<Self>) {
                    isa.run(step);
                }

                fn backward(job: Backward<Self>, view: View<Self>, dy: Gradient<Self>) {
                    job.run(view, dy);
                }

                fn products(job: Products<Self>) {
                    job.run();
                }

                fn optimize(
                    state: &mut State<Self>,
                    isa: Isa,
                    weights: &mut [Self],
                    grads: &mut [Self],
                ) {
                    state.step(isa, weights, grads);
                }
            }
        )*};
    }
    compiled! { f32, f64 }
}
