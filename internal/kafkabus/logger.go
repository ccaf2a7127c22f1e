package kafkabus

import (
	"fmt"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// debugLogger shows kafka-go's internal complaints at debug level: whatever
// matters comes back as an error and is reported once by the caller.
func debugLogger(log *zap.Logger) kafka.Logger {
	return kafka.LoggerFunc(func(format string, args ...any) {
		if entry := log.Check(zap.DebugLevel, "kafka-go"); entry != nil {
			entry.Write(zap.String("detail", fmt.Sprintf(format, args...)))
		}
	})
}
