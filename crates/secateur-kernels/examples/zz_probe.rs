use cpu_time::ThreadTime;
use secateur_kernels::*;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).filter_map(|v| v.parse().ok()).collect();
    let all=[([256,256],3,[14,14]),([64,64],3,[56,56]),([256,256],1,[28,28])];
    for (ch, k, im) in all.into_iter().enumerate().filter(|(i,_)|a.is_empty()||a[0]==*i).map(|v|v.1) {
        let g = ConvGeometry::conv2d(ch,[k,k]).padding([k/2,k/2]);
        let shape=[ch[0],ch[1]*k*k];
        for sp in [1.0f64, 0.98, 0.9,0.7].into_iter().filter(|v|a.len()<2||a[1]==(v*100.0) as usize) {
            let mut s=12345u64;
            let mut r=||{s^=s<<13;s^=s>>7;s^=s<<17;(s>>11) as f64/(1u64<<53) as f64};
            let d:Vec<f32>=(0..shape[0]*shape[1]).map(|_|{let v=r()-0.5; if r()>=sp {v as f32} else {0.0}}).collect();
            let csr=Csr::from_dense(&d,shape).unwrap();
            let hint=ConvHint::image(im);
            let c=SparseConv::pack_as(&csr,&g,ConvFormat::Panels,&hint).unwrap();
            let x=vec![0.5f32;ch[1]*im[0]*im[1]]; let mut y=vec![0.0f32;ch[0]*im[0]*im[1]];
            let mut sc=Scratch::new();
            let mut t=vec![];
            for _ in 0..if a.len()>2{a[2]}else{300} { let b=ThreadTime::now(); c.forward(&x,1,im,&mut y,Epilogue::none(),&mut sc).unwrap(); t.push(b.elapsed().as_secs_f64()*1e3); }
            t.sort_by(f64::total_cmp);
            println!("{ch:?} k{k} sp {sp}: med {:.4} p10 {:.4} scratch {} bytes {}", t[150], t[30], sc.bytes(), c.bytes());
        }
    }
}
