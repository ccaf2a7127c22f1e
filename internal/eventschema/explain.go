package eventschema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"partnerpulse/internal/event"
)

// shownMax bounds how much of an offending value a message repeats, in characters.
const shownMax = 60

// explain turns the leaves of a validation error into problems. The instance
// locations in err are relative to root, whose place in the event is at.
func (c *compiled) explain(out []event.Problem, err *jsonschema.ValidationError, root *jsonschema.Schema, at string) []event.Problem {
	place := at + pointer(err.InstanceLocation)
	add := func(code event.Code, pointer, text string) {
		out = append(out, event.Problem{Code: code, Pointer: pointer, Message: text})
	}
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			code := event.CodeSchema
			if place == "" {
				code = event.CodeMissing
			}
			add(code, place+pointer([]string{name}), c.missing(name, describe(root, append(err.InstanceLocation, name))))
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			add(event.CodeSchema, place+pointer([]string{name}), UnknownField(place, name))
		}
	case *kind.AnyOf:
		// The contract's only anyOf is "user_id or anonymous_id".
		add(event.CodeMissing, at+"/user_id", MissingActor)
	default:
		if len(err.Causes) == 0 {
			add(event.CodeSchema, place, text(err, describe(root, err.InstanceLocation)))
		}
		for _, cause := range err.Causes {
			out = c.explain(out, cause, root, at)
		}
	}
	return out
}

// MissingActor says that nobody is named as the one who acted.
const MissingActor = "user_id or anonymous_id is required: who did it"

// UnknownField says that an object of the envelope (place "" or "/context") has no
// field of the name.
func UnknownField(place, name string) string {
	of := "an event"
	if place != "" {
		of = strings.TrimPrefix(place, "/")
	}
	return fmt.Sprintf("%s is not a field of %s: put fields of your own into data, where they are kept", quote(name), of)
}

func (c *compiled) missing(name, description string) string {
	msg := fmt.Sprintf("%s is required by %s", name, c.name)
	if description != "" {
		msg += ": " + strings.TrimSuffix(description, ".")
	}
	return msg
}

// text words one failed keyword.
func text(err *jsonschema.ValidationError, description string) string {
	suffix := ""
	if description != "" {
		suffix = " (" + strings.TrimSuffix(description, ".") + ")"
	}
	switch k := err.ErrorKind.(type) {
	case *kind.Type:
		if k.Got == "null" {
			return fmt.Sprintf("must be %s, not null: leave the field out when there is no value", article(strings.Join(k.Want, " or ")))
		}
		return fmt.Sprintf("must be %s, not %s%s", article(strings.Join(k.Want, " or ")), article(k.Got), suffix)
	case *kind.Enum:
		want := make([]string, len(k.Want))
		for i, v := range k.Want {
			want[i] = fmt.Sprint(v)
		}
		return fmt.Sprintf("must be one of %s, not %s", strings.Join(want, ", "), show(k.Got))
	case *kind.Const:
		return fmt.Sprintf("must be %s, not %s", show(k.Want), show(k.Got))
	case *kind.Minimum:
		return "must not be below " + k.Want.RatString() + suffix
	case *kind.Maximum:
		return "must not be above " + k.Want.RatString() + suffix
	case *kind.MinLength:
		return "must not be empty: leave the field out when there is no value"
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, not %d", k.Want, k.Got)
	case *kind.Pattern:
		return show(k.Got) + " does not have the right form" + suffix
	case *kind.Format:
		return fmt.Sprintf("%s is not RFC 3339 with a zone, such as 2026-11-03T09:15:00.000Z", show(k.Got))
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, not %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d fields, not %d", k.Want, k.Got)
	case *kind.Not:
		return "has a value that is not allowed here" + suffix
	}
	return err.ErrorKind.LocalizedString(message.NewPrinter(language.English)) + suffix
}

// describe finds the description of the value at path, as a schema has it.
func describe(s *jsonschema.Schema, path []string) string {
	for depth := 0; s != nil && depth < 16; depth++ {
		if len(path) == 0 {
			if s.Description != "" || s.Ref == nil {
				return s.Description
			}
			s = s.Ref
			continue
		}
		if p, ok := s.Properties[path[0]]; ok {
			s, path = p, path[1:]
			continue
		}
		if s.Ref != nil {
			s = s.Ref
			continue
		}
		for _, part := range s.AllOf {
			if d := describe(part, path); d != "" {
				return d
			}
		}
		return ""
	}
	return ""
}

// pointer writes a JSON Pointer (RFC 6901).
func pointer(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return b.String()
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// show gives a value for a message, shortened.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case nil, bool:
		return fmt.Sprint(v)
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}

func quote(s string) string {
	if utf8.RuneCountInString(s) > shownMax {
		s = string([]rune(s)[:shownMax]) + "…"
	}
	return strconv.Quote(s)
}
