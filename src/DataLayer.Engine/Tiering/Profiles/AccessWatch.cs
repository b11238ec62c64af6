using System.Threading.Channels;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>A look at reads as they come; disposed, nothing is noted for it any more.</summary>
public sealed class AccessWatch : IAsyncDisposable
{
    private readonly ProfileRecorder _recorder;
    private readonly AccessTap _tap;

    internal AccessWatch(ProfileRecorder recorder, AccessTap tap) => (_recorder, _tap) = (recorder, tap);

    /// <summary>The reads, in about the order they began.</summary>
    public ChannelReader<AccessNote> Notes => _tap.Notes;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _recorder.RemoveAsync(_tap);
}
