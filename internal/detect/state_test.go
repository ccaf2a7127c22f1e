package detect

import (
	"errors"
	"testing"
)

func TestResumeRefuses(t *testing.T) {
	d := build(t, lordenOnly)
	good, _ := d.Run(d.Start(first), constant(30, 1))
	spoil := func(change func(*State)) []byte {
		s := good.clone()
		change(&s)
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := map[string][]byte{
		"not base64":      []byte("{"),
		"cut short":       spoil(func(*State) {})[:100],
		"longer":          append(spoil(func(*State) {}), spoil(func(*State) {})...),
		"empty":           nil,
		"other version":   spoil(func(s *State) { s.Version++ }),
		"other config":    spoil(func(s *State) { s.Config = "0123456789abcdef" }),
		"bank too short":  spoil(func(s *State) { s.Bank = s.Bank[:1] }),
		"guard too long":  spoil(func(s *State) { s.Guard = append(s.Guard, Past{}, Past{}) }),
		"ends too early":  spoil(func(s *State) { s.Next = s.First - 1 }),
		"negative memory": spoil(func(s *State) { s.Exposure = -1 }),
	}
	for name, b := range tests {
		if _, err := d.Resume(b); !errors.Is(err, ErrState) {
			t.Errorf("%s: error %v, want ErrState", name, err)
		}
	}
	if _, err := d.Resume(spoil(func(*State) {})); err != nil {
		t.Errorf("a good state: %v", err)
	}
}

func FuzzResume(f *testing.F) {
	d := build(f, lordenOnly)
	s, _ := d.Run(d.Start(first), constant(30, 1))
	b, err := s.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := d.Resume(b)
		if err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatalf("error %v does not wrap ErrState", err)
			}
			return
		}
		// What is accepted can be stepped and stored again.
		next, _ := d.Step(s, Input{Sessions: 1})
		if _, err := next.Encode(); err != nil {
			t.Fatal(err)
		}
	})
}
