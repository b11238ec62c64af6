using DataLayer.Core.Identity;

namespace DataLayer.Storage.Cache;

/// <summary>
/// Who knows when blocks will be read again: feeds, whose order is known, or a trace that is replayed. Asked by the
/// eviction policy; any thread, at once, without locks that others hold for long.
/// </summary>
/// <remarks>
/// Times are ticks of one clock that goes on with what is read (bytes, say), so that readers of different speed can be
/// compared. Answers are estimates: the policy asks again when their time has come.
/// </remarks>
public interface IFutureUses
{
    /// <summary>The answer for a block of which nobody knows anything.</summary>
    const long Unknown = -1;

    /// <summary>The answer for a block of a reader that will not read it in the time it can oversee.</summary>
    const long Never = long.MaxValue;

    /// <summary>Whether nobody knows anything about any block now.</summary>
    bool IsEmpty { get; }

    /// <summary>
    /// Changes when answers given before may be wrong: a reader came, went, or changed its pace. Asked before each look
    /// for a victim: the place to notice that a reader stands still.
    /// </summary>
    int Version { get; }

    /// <summary>The time now, ticks.</summary>
    long Now { get; }

    /// <summary>
    /// When the block is read next, ticks, later than <see cref="Now"/>; <see cref="Never"/>; or
    /// <see cref="Unknown"/>.
    /// </summary>
    long NextUseOf(in BlockId block);

    /// <summary>Whether a block's next use can be asked for; cheaper than to ask.</summary>
    bool Knows(in BlockId block);
}
