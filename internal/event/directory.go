package event

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// EntitySeparator (unit separator, U+001F) stands in a Kafka key between
// "tenant/partner_id" and what of that partner the record describes. Only the part
// before it decides the partition. No identifier can contain it.
const EntitySeparator = "\x1f"

// DirectoryKey is the key of a directory event on the compacted directory topic. A
// partner's own description has the partner's key; a user, a document, a course or
// a commitment follows after EntitySeparator, since a compacted topic keeps one
// record a key. All of a partner stays in one partition, in order.
func DirectoryKey(e *Event) (string, error) {
	var data struct {
		UserID    string `json:"user_id"`
		ContentID string `json:"content_id"`
		CourseID  string `json:"course_id"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return "", fmt.Errorf("reading what %s describes: %w", e.Type, err)
	}
	switch e.Type {
	case UserUpserted:
		return strings.Join([]string{e.Key(), "user", data.UserID}, EntitySeparator), nil
	case ContentPublished, ContentRetired:
		return strings.Join([]string{e.Key(), "content", data.ContentID}, EntitySeparator), nil
	case CoursePublished:
		return strings.Join([]string{e.Key(), "course", data.CourseID}, EntitySeparator), nil
	case CommitmentSet:
		return strings.Join([]string{e.Key(), "commitment", data.CourseID}, EntitySeparator), nil
	}
	return e.Key(), nil
}

// DescribedUser gives the user that user.upserted describes; "" for other types and
// for data without a usable user_id.
func DescribedUser(e *Event) string {
	if e.Type != UserUpserted || len(e.Data) == 0 {
		return ""
	}
	var data struct {
		UserID any `json:"user_id"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return ""
	}
	user, _ := data.UserID.(string)
	return user
}

// UserOfKey gives the user whose record a key of the directory topic names.
func UserOfKey(key string) (tenant, partner, user string, ok bool) {
	owner, entity, ok := strings.Cut(key, EntitySeparator)
	if !ok {
		return "", "", "", false
	}
	user, ok = strings.CutPrefix(entity, "user"+EntitySeparator)
	if !ok {
		return "", "", "", false
	}
	tenant, partner, ok = strings.Cut(owner, "/")
	return tenant, partner, user, ok && user != ""
}
