use burn::{Tensor, module::Module, nn::{Linear, LinearConfig}, optim::*, tensor::{Device, Distribution}};
use std::time::Instant;

#[derive(Module, Debug)]
struct Net { a: Linear, b: Linear, c: Linear }
impl Net {
    fn new(d: &Device) -> Self { Self { a: LinearConfig::new(784,300).init(d), b: LinearConfig::new(300,100).init(d), c: LinearConfig::new(100,10).init(d) } }
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        use burn::tensor::activation::relu;
        self.c.forward(relu(self.b.forward(relu(self.a.forward(x)))))
    }
}
#[test]
fn speed() {
    let d = Device::flex().autodiff();
    let x = Tensor::<2>::random([128,784], Distribution::Default, &d);
    let dense = Net::new(&d);
    let masked = { let mut m = dense.clone(); secateur_core::attach::scratch_attach(&mut m, 0.9); m };
    let mut models = [dense, masked];
    let mut optims = [0,1].map(|_| SgdConfig::new().with_momentum(Some(burn::optim::momentum::MomentumConfig::new().with_momentum(0.9).with_dampening(0.0))).init());
    let mut times = [vec![], vec![]];
    for it in 0..60 {
        for k in 0..2 {
            let m = models[k].clone();
            let t = Instant::now();
            let loss = m.forward(x.clone()).powi_scalar(2).mean();
            let grads = GradientsParams::from_grads(loss.backward(), &m);
            models[k] = optims[k].step(1e-4.into(), m, grads);
            let e = t.elapsed().as_secs_f64();
            if it > 10 { times[k].push(e); }
        }
    }
    for t in &mut times { t.sort_by(f64::total_cmp); }
    println!("dense {:.3} ms masked {:.3} ms ratio {:.3} min ratio {:.3}", times[0][25]*1e3, times[1][25]*1e3, times[1][25]/times[0][25], times[1][0]/times[0][0]);
}
