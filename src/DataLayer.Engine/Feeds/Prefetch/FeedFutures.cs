using DataLayer.Core.Identity;
using DataLayer.Core.Order;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// The feeds that run, and from them the next use of any block: what the memory tier's eviction asks. A block that
/// several feeds or ranks use counts for the first of them.
/// </summary>
/// <remarks>
/// <para>Time is bytes read by all feeds together. A feed reads its part of them, measured over the last reads, so a
/// block that comes in d bytes of a feed with a third of the pace comes in 3 × d ticks: feeds of different speed are
/// compared by who comes first, whatever a clock says. A feed that has told nothing for the stall time stops counting
/// until it moves again; one that was disposed of is gone at once. Blocks of no live feed are unknown.</para>
/// <para>Registering is O(files). A question takes one look-up of the file, and for each feed of its dataset an inverse
/// for each sample and pass: no lock, no allocation. One lock for changes.</para>
/// </remarks>
public sealed class FeedFutures : IFutureUses
{
    // Paces follow the last 64 steps or so; a change by a quarter makes answers be asked for again.
    private const double WindowSteps = 64;
    private const double NotedChange = 1.25;
    private readonly Lock _lock = new();
    private readonly TimeSpan _stallTime;
    private readonly long _checkTicks;
    private Group[] _groups = [];
    private double _recent;
    private double _window;
    private long _now;
    private long _checkAt;
    private int _version;

    /// <summary>Makes one without feeds.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="stallTime">After how long without a move a feed stops counting; above zero.</param>
    public FeedFutures(TimeProvider time, TimeSpan stallTime)
    {
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stallTime, TimeSpan.Zero);
        (Time, _stallTime) = (time, stallTime);
        _checkTicks = Math.Max(1, (long)(stallTime.TotalSeconds / 8 * time.TimestampFrequency));
    }

    /// <inheritdoc/>
    public bool IsEmpty => Volatile.Read(ref _groups).Length == 0;

    /// <inheritdoc/>
    public int Version
    {
        get
        {
            if (Time.GetTimestamp() >= Volatile.Read(ref _checkAt))
            {
                CheckStalls();
            }

            return Volatile.Read(ref _version);
        }
    }

    /// <inheritdoc/>
    public long Now => Volatile.Read(ref _now);

    /// <summary>The feeds that are registered.</summary>
    public IReadOnlyList<FeedCourse> Courses
    {
        get
        {
            List<FeedCourse> courses = [];
            foreach (Group group in Volatile.Read(ref _groups))
            {
                courses.AddRange(group.Courses);
            }

            return courses;
        }
    }

    internal TimeProvider Time { get; }

    /// <summary>Takes a feed up.</summary>
    /// <param name="index">The index.</param>
    /// <param name="order">The order of its samples.</param>
    /// <param name="slice">Which positions the feed takes.</param>
    /// <param name="cursor">Where it begins.</param>
    /// <param name="endCursor">Where it ends; the largest number for never.</param>
    public FeedCourse Register(SampleIndex index, SampleOrder order, RankSlice slice, long cursor, long endCursor)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(slice);
        ArgumentOutOfRangeException.ThrowIfNegative(cursor);
        DatasetFiles files = FilesOf(index) ?? new DatasetFiles(index);
        FeedCourse course = new(this, index, files, order, slice, cursor, endCursor);
        lock (_lock)
        {
            int live = 0;
            foreach (FeedCourse other in Courses)
            {
                live += other.IsLive ? 1 : 0;
            }

            course.Recent = live == 0 ? course.SampleBytes : Math.Max(course.SampleBytes, _recent / live);
            Group[] groups = Array.Exists(_groups, g => g.Index == index)
                ? _groups
                : [.. _groups, new Group(index, files, [])];
            _groups = Array.ConvertAll(
                groups, g => g.Index == index ? g with { Courses = [.. g.Courses, course] } : g);
            SetPacesLocked(isNew: true);
        }

        return course;
    }

    /// <inheritdoc/>
    public long NextUseOf(in BlockId block)
    {
        foreach (Group group in Volatile.Read(ref _groups))
        {
            long file = group.Files.Find(block);
            if (file < 0)
            {
                continue;
            }

            double soonest = double.PositiveInfinity;
            bool isKnown = false;
            foreach (FeedCourse course in group.Courses)
            {
                long distance = course.IsLive ? course.DistanceOf(file, block.Index) : IFutureUses.Unknown;
                if (distance != IFutureUses.Unknown)
                {
                    isKnown = true;
                    soonest = distance == IFutureUses.Never ? soonest : Math.Min(soonest, distance / course.Pace);
                }
            }

            if (isKnown)
            {
                return soonest < long.MaxValue / 4 ? Now + Math.Max(1, (long)soonest) : IFutureUses.Never;
            }
        }

        return IFutureUses.Unknown;
    }

    /// <inheritdoc/>
    public bool Knows(in BlockId block)
    {
        foreach (Group group in Volatile.Read(ref _groups))
        {
            if (group.Files.Find(block) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    internal void Moved(FeedCourse course, double bytes)
    {
        lock (_lock)
        {
            Volatile.Write(ref _now, _now + (long)bytes);
            bool isNew = !course.IsLive;
            course.IsLive = true;
            course.Recent += bytes;
            _recent += bytes;
            _window = Math.Max(_window, bytes * WindowSteps);
            if (_recent > _window)
            {
                foreach (FeedCourse each in Courses)
                {
                    each.Recent /= 2;
                }

                // A feed of large steps may have gone: the window shrinks again.
                _window = Math.Max(bytes * WindowSteps, _window / 2);
            }

            SetPacesLocked(isNew);
        }
    }

    internal void Remove(FeedCourse course)
    {
        lock (_lock)
        {
            Group[] groups = Array.ConvertAll(
                _groups, g => g with { Courses = Array.FindAll(g.Courses, c => c != course) });
            _groups = Array.FindAll(groups, g => g.Courses.Length > 0);
            course.IsLive = false;
            SetPacesLocked(isNew: true);
        }
    }

    private DatasetFiles? FilesOf(SampleIndex index)
    {
        foreach (Group group in Volatile.Read(ref _groups))
        {
            if (group.Index == index)
            {
                return group.Files;
            }
        }

        return null;
    }

    private void CheckStalls()
    {
        lock (_lock)
        {
            long now = Time.GetTimestamp();
            if (now < _checkAt)
            {
                return;
            }

            Volatile.Write(ref _checkAt, now + _checkTicks);
            bool changed = false;
            foreach (FeedCourse course in Courses)
            {
                if (course.IsLive && Time.GetElapsedTime(course.MovedAt, now) >= _stallTime)
                {
                    course.IsLive = false;
                    changed = true;
                }
            }

            if (changed)
            {
                SetPacesLocked(isNew: true);
            }
        }
    }

    /// <summary>Works the paces of live feeds out; a new version if that makes a difference.</summary>
    private void SetPacesLocked(bool isNew)
    {
        _recent = 0;
        foreach (Group group in _groups)
        {
            foreach (FeedCourse course in group.Courses)
            {
                _recent += course.IsLive ? course.Recent : 0;
            }
        }

        bool changed = isNew;
        foreach (Group group in _groups)
        {
            foreach (FeedCourse course in group.Courses)
            {
                double pace = course.IsLive ? Math.Max(1e-6, course.Recent / Math.Max(1, _recent)) : course.Pace;
                changed |= pace > course.Pace * NotedChange || pace * NotedChange < course.Pace;
            }
        }

        if (!changed)
        {
            return;
        }

        foreach (Group group in _groups)
        {
            foreach (FeedCourse course in group.Courses)
            {
                course.Pace = Math.Max(1e-6, course.Recent / Math.Max(1, _recent));
            }
        }

        Interlocked.Increment(ref _version);
    }

    private sealed record Group(SampleIndex Index, DatasetFiles Files, FeedCourse[] Courses);
}
