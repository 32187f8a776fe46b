"""
Every error that weatherd tells a person about, in one tree.

    WeatherdError
    ├── ConfigError              config.invalid            every mistake of a configuration at once
    ├── UnavailableError         daemon.unavailable        a needed thing is missing: a port, a running daemon
    │   └── SamplingStuck        daemon.sampling_stuck     the daemon answers, and does not come round to its sensors
    ├── SensorError              sensor.*                  all transient: the sensor is tried again
    │   ├── NoAnswer             sensor.no_answer          nobody acknowledges at the address
    │   ├── DeadlineExceeded     sensor.deadline_exceeded  it answers, but the measurement does not end
    │   ├── BusUnavailable       sensor.bus_unavailable    the bus cannot be opened, or fails as a whole
    │   ├── LineUnavailable      sensor.line_unavailable   a GPIO line cannot be had, or has gone with its chip
    │   ├── InfraredUnavailable  sensor.no_infrared        no infrared device can do it, or it has gone
    │   ├── WrongChip            sensor.wrong_chip         another chip answers at the address
    │   ├── SourceEnded          sensor.source_ended       the program that prints readings has stopped
    │   ├── DriverFailed         sensor.driver_failed      the driver raised something of its own
    │   └── NoMeasurement        sensor.no_measurement     it answers, but what it says is no measurement
    │       ├── BadChecksum      sensor.bad_checksum
    │       ├── ResetRegisters   sensor.reset_registers
    │       ├── AllOnes          sensor.all_ones
    │       ├── AllZeros         sensor.all_zeros
    │       ├── Chattering       sensor.chattering         a contact closes more often than weather can make it
    │       └── NoPosition       sensor.no_position        a vane's voltage belongs to none of its positions
    ├── InfraredError            infrared.*
    │   ├── NotSent              infrared.not_sent         no device sends, or it refuses; trying again can help
    │   ├── TooOften             infrared.too_often        more than may be sent in so short a time; try again later
    │   └── NoSuchCommand        infrared.no_such_command  nothing of that name is in the configuration
    ├── JournalError             journal.*
    │   ├── JournalUnavailable   journal.unavailable       cannot be opened or written; trying again can help
    │   ├── JournalDamaged       journal.damaged           the file is no journal, or is damaged
    │   └── JournalFull          journal.full              only when told to `block`; trying again can help
    ├── HistoryUnavailable       history.unavailable       the panel's minutes cannot be read or written; try again
    └── SinkError                sink.*
        ├── Unreachable          sink.unreachable          transient: no answer, or one that says "later"
        ├── Unwelcome            sink.unwelcome            transient, slowly: the far end wants other settings
        ├── TooLarge             sink.too_large            permanent for this batch: halve it
        └── Refused              sink.refused              permanent for these documents

Two readers: `code` for the machine, the sentence and `hint` for the person. A programmer's error is an assert
or a ValueError, and outside this tree.
"""

import os
from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class WeatherdError(Exception):
    """
    A failure with a code, a sentence, a hint and an exit code.

    Args:
        sentence: What happened, in words, without a full stop.
        hint: What the reader can do about it.
    """

    code: ClassVar[str] = "weatherd.failed"
    exit_code: ClassVar[int] = os.EX_SOFTWARE

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    @property
    def reason(self) -> str:
        """The last part of the code, for documents and counters: ``no_answer``."""
        return self.code.rpartition(".")[2]

    def report(self) -> str:
        """Return the two lines that a person reads on standard error."""
        lines = f"error: {self.code}: {self.sentence}"
        return f"{lines}\nhint:  {self.hint}" if self.hint else lines


class ConfigError(WeatherdError):
    """
    Tell every mistake of a configuration at once, a line each, with key and line.

    Args:
        sentence: What happened; the mistakes follow it, each on a line of its own.
        hint: What the reader can do about it.
        mistakes: In the order of their lines; empty where the file could not even be read.
    """

    code = "config.invalid"
    exit_code = os.EX_CONFIG

    class Mistake(NamedTuple):
        """One mistake: its line from 1, its key such as ``sensors[0].address``, what is wrong and allowed."""

        line: int
        key: str
        message: str

        def __str__(self) -> str:
            return f"line {self.line}: {self.key}: {self.message}" if self.key else f"line {self.line}: {self.message}"

    def __init__(self, sentence: str, hint: str = "", *, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__("\n  ".join([sentence, *map(str, mistakes)]), hint)
        self.mistakes = tuple(mistakes)


class UnavailableError(WeatherdError):
    """Tell that a thing which weatherd needs at its start is not there, such as a free port."""

    code = "daemon.unavailable"
    exit_code = os.EX_UNAVAILABLE


class SamplingStuck(UnavailableError):
    """Tell that a daemon answers, but does not come round to its sensors any more. Only a new start helps."""

    code = "daemon.sampling_stuck"


class SensorError(WeatherdError):
    """Tell that a sensor gave no measurement. Always transient: try again."""

    code = "sensor.failed"
    exit_code = os.EX_UNAVAILABLE


class NoAnswer(SensorError):
    """Tell that nobody acknowledges at the address."""

    code = "sensor.no_answer"


class DeadlineExceeded(SensorError):
    """Tell that a measurement was given up because it took too long."""

    code = "sensor.deadline_exceeded"


class BusUnavailable(SensorError):
    """Tell that the bus itself cannot be opened or used."""

    code = "sensor.bus_unavailable"


class LineUnavailable(SensorError):
    """Tell that a GPIO line cannot be requested, or that its chip has gone."""

    code = "sensor.line_unavailable"


class InfraredUnavailable(SensorError):
    """Tell that there is no infrared device which can do what is wanted, or that it has gone."""

    code = "sensor.no_infrared"


class WrongChip(SensorError):
    """Tell that another chip than the configured one answers at the address."""

    code = "sensor.wrong_chip"


class SourceEnded(SensorError):
    """Tell that the program which prints readings has stopped, or cannot be started."""

    code = "sensor.source_ended"


class DriverFailed(SensorError):
    """Tell that a driver raised an error of its own making."""

    code = "sensor.driver_failed"


class NoMeasurement(SensorError):
    """Tell that a sensor answers, but what it says is no measurement: the value is `missing`."""

    code = "sensor.no_measurement"


class BadChecksum(NoMeasurement):
    """Tell that a checksum does not fit its bytes."""

    code = "sensor.bad_checksum"


class ResetRegisters(NoMeasurement):
    """Tell that the chip holds its reset values: no conversion has been done."""

    code = "sensor.reset_registers"


class AllOnes(NoMeasurement):
    """Tell that every bit is one: a line that floats high, or the chip's own fault value."""

    code = "sensor.all_ones"


class AllZeros(NoMeasurement):
    """Tell that every bit is zero: a line held low, or memory that lost its content."""

    code = "sensor.all_zeros"


class Chattering(NoMeasurement):
    """Tell that a contact closes more often than any weather can make it: it is loose, or wet."""

    code = "sensor.chattering"


class NoPosition(NoMeasurement):
    """Tell that a vane's voltage belongs to none of its positions: its cable is broken, or cut short."""

    code = "sensor.no_position"


class InfraredError(WeatherdError):
    """Tell that nothing was sent."""

    code = "infrared.failed"
    exit_code = os.EX_UNAVAILABLE


class NotSent(InfraredError):
    """Tell that no device sends, or that the kernel refused the message. Trying again can help."""

    code = "infrared.not_sent"


class TooOften(InfraredError):
    """Tell that as much was sent as may be in so short a time. Try again later."""

    code = "infrared.too_often"
    exit_code = os.EX_TEMPFAIL


class NoSuchCommand(InfraredError):
    """Tell that the configuration has no command of that name. Trying again does not help."""

    code = "infrared.no_such_command"
    exit_code = os.EX_USAGE


class JournalError(WeatherdError):
    """Tell that the journal cannot do what it was asked."""

    code = "journal.failed"
    exit_code = os.EX_IOERR


class JournalUnavailable(JournalError):
    """
    Tell that the journal cannot be opened or written now: disk full, read-only, in use. Try again.

    Args:
        sentence: What happened.
        hint: What the reader can do about it.
        may_pass: Whether it is the disk that fails, which can be well again without anybody touching weatherd.
    """

    code = "journal.unavailable"

    def __init__(self, sentence: str, hint: str = "", *, may_pass: bool = False) -> None:
        super().__init__(sentence, hint)
        self.may_pass = may_pass


class JournalDamaged(JournalError):
    """
    Tell that the file is no journal of ours, or is damaged. Trying again does not help.

    Args:
        sentence: What is damaged.
        hint: What the reader can do about it.
        last_seq: If only some entries cannot be read, the last of them: behind it, reading goes on.
    """

    code = "journal.damaged"

    def __init__(self, sentence: str, hint: str = "", *, last_seq: int | None = None) -> None:
        super().__init__(sentence, hint)
        self.last_seq = last_seq


class JournalFull(JournalError):
    """Tell that the journal holds all it may, and must not drop anything. Try again after a delivery."""

    code = "journal.full"


class HistoryUnavailable(WeatherdError):
    """Tell that the minutes behind the panel cannot be read or written now. Try again; the journal has them too."""

    code = "history.unavailable"
    exit_code = os.EX_IOERR


class SinkError(WeatherdError):
    """Tell that a sink did not take a batch."""

    code = "sink.failed"
    exit_code = os.EX_UNAVAILABLE


class Unreachable(SinkError):
    """
    Tell that the far end does not answer, or asks to come back later. Try again after a delay.

    Args:
        sentence: What happened.
        hint: What the reader can do about it.
        retry_after_s: How long the far end asked us to wait; None if it did not say.
    """

    code = "sink.unreachable"

    def __init__(self, sentence: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence, hint)
        self.retry_after_s = retry_after_s


class Unwelcome(SinkError):
    """Tell that the far end wants other settings (a password, a path). Keep the data, try again slowly."""

    code = "sink.unwelcome"


class TooLarge(SinkError):
    """Tell that the batch is larger than the far end takes. Halve it; a single document is refused."""

    code = "sink.too_large"


class Refused(SinkError):
    """Tell that the far end refuses these documents for good. Find the culprit and quarantine it."""

    code = "sink.refused"
