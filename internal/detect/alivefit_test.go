package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The likelihood is that of the story it tells, integrated over every rate and every
// probability of leaving.
func TestLikelihoodOfVisitsIsItsIntegral(t *testing.T) {
	m := BGNBD{R: 1.7, Alpha: 6, A: 1.4, B: 8}
	rate := distuv.Gamma{Alpha: m.R, Beta: m.Alpha}
	leave := distuv.Beta{Alpha: m.A, Beta: m.B}
	for _, v := range []Visits{{0, 0, 30}, {1, 2, 30}, {4, 20, 25}, {9, 40, 90}, {30, 60, 60}} {
		x := float64(v.Repeat)
		sum, steps := 0.0, 1200
		for i := range steps {
			lambda := (float64(i) + .5) * 8 / float64(steps)
			for j := range steps {
				p := (float64(j) + .5) / float64(steps)
				one := math.Pow(1-p, x) * math.Pow(lambda, x) * math.Exp(-lambda*v.Watched)
				if v.Repeat > 0 {
					one += p * math.Pow(1-p, x-1) * math.Pow(lambda, x) * math.Exp(-lambda*v.LastSeen)
				}
				sum += one * rate.Prob(lambda) * leave.Prob(p)
			}
		}
		want := math.Log(sum * 8 / float64(steps) / float64(steps))
		if got := m.LogLikelihood(v); math.Abs(got-want) > .01 {
			t.Errorf("%+v: %.4f, the integral gives %.4f", v, got, want)
		}
	}
}

// visiting draws partners from the model, watched for up to two years, and who of
// them are alive at the end.
func visiting(m BGNBD, n int) (visits []Visits, alive []bool) {
	src := rand.New(rand.NewPCG(7, 11))
	rate := distuv.Gamma{Alpha: m.R, Beta: m.Alpha, Src: src}
	leave := distuv.Beta{Alpha: m.A, Beta: m.B, Src: src}
	for range n {
		v := Visits{Watched: 100 + 600*src.Float64()}
		lambda, p := rate.Rand(), leave.Rand()
		here := true
		for at := 0.0; ; {
			if at += src.ExpFloat64() / lambda; at > v.Watched {
				break
			}
			v.Repeat, v.LastSeen = v.Repeat+1, at
			if src.Float64() < p {
				here = false
				break
			}
		}
		visits, alive = append(visits, v), append(alive, here)
	}
	return visits, alive
}

// Fitted to partners that were drawn from a model, P(alive) is as often right as it
// says, and repeatable.
func TestFittedAliveIsCalibrated(t *testing.T) {
	truth := BGNBD{R: .8, Alpha: 4, A: 1.2, B: 40}
	visits, alive := visiting(truth, 1500)
	m, err := FitBGNBD(visits)
	if err != nil {
		t.Fatal(err)
	}
	again, err := FitBGNBD(visits)
	if err != nil || again != m {
		t.Errorf("%+v, then %+v, %v", m, again, err)
	}
	// The fit is at least as likely as the truth, but for its steps.
	fitted, actual := 0.0, 0.0
	for _, v := range visits {
		fitted += m.LogLikelihood(v)
		actual += truth.LogLikelihood(v)
	}
	if fitted < actual-3 {
		t.Errorf("log-likelihood %.1f at the fit, %.1f at the truth", fitted, actual)
	}
	var said, is, n [4]float64
	for i, v := range visits {
		if v.Repeat == 0 {
			continue // always 1 by the model's convention
		}
		p := m.Alive(v.Repeat, v.LastSeen, v.Watched)
		k := min(int(p*4), 3)
		said[k] += p
		n[k]++
		if alive[i] {
			is[k]++
		}
	}
	for k := range n {
		if n[k] < 30 {
			continue
		}
		sigma := math.Sqrt(.25 / n[k])
		if math.Abs(said[k]-is[k])/n[k] > .03+3*sigma {
			t.Errorf("of %.0f partners said to be alive with %.2f, %.2f are", n[k], said[k]/n[k], is[k]/n[k])
		}
	}
}

// Without partners the default holds, and a handful moves it little.
func TestFewPartnersLeaveTheDefault(t *testing.T) {
	d := DefaultBGNBD()
	m, err := FitBGNBD(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]float64{{m.R, d.R}, {m.Alpha, d.Alpha}, {m.A, d.A}, {m.B, d.B}} {
		if math.Abs(math.Log(x[0]/x[1])) > .05 {
			t.Errorf("%+v without any partner, want %+v", m, d)
		}
	}
	if m, err = FitBGNBD([]Visits{{Repeat: 0, Watched: 0}, {Repeat: 700, LastSeen: 700, Watched: 700}, {Repeat: 3, LastSeen: 5, Watched: 600}}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{m.R, m.Alpha, m.A, m.B} {
		if !(v > 0) || math.IsInf(v, 0) {
			t.Errorf("%+v", m)
		}
	}
}
