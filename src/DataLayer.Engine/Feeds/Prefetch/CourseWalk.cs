using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>Goes along the samples that one rank of a feed takes, from a cursor on. Not thread safe.</summary>
internal sealed class CourseWalk(SampleIndex index, SampleOrder order, RankSlice slice, long cursor, long endCursor)
{
    private const int Piece = 256;
    private readonly long[] _ordinals = new long[Piece];
    private FeedStep _step;
    private long _next = cursor;
    private int _inStep;
    private int _pieceStart;
    private int _pieceCount;

    /// <summary>The cursor that the feed has when it takes the next sample's batch.</summary>
    public long Cursor { get; private set; } = cursor;

    /// <summary>Goes on from a cursor.</summary>
    public void Seek(long to) => (_next, Cursor, _step, _inStep, _pieceCount) = (to, to, default, 0, 0);

    /// <summary>Passes over whole steps, from the next one on.</summary>
    public void Skip(int steps)
    {
        for (; steps > 0 && _next < endCursor; steps--)
        {
            _next = slice.StepAt(_next).NextCursor;
        }

        Seek(_next);
    }

    /// <summary>The next sample, and the position (since the begin of pass 0) at which it stands.</summary>
    public bool TryNext(out long position, out long sample)
    {
        if (_inStep >= _step.Count - _step.PaddingCount && !TryBegin())
        {
            (position, sample) = (0, 0);
            return false;
        }

        if (_inStep >= _pieceStart + _pieceCount)
        {
            _pieceStart = _inStep;
            _pieceCount = Math.Min(Piece, _step.Count - _step.PaddingCount - _inStep);
            order.Fill(_step.Pass, _step[_inStep], _step.Stride, _ordinals.AsSpan(0, _pieceCount));
        }

        position = (_step.Pass * _step.PassLength) + _step.First + ((long)_inStep * _step.Stride);
        sample = index.Select(order.Spec.Part, order.Sorting, _ordinals[_inStep - _pieceStart]);
        _inStep++;
        return true;
    }

    /// <summary>Begins the next step that has samples.</summary>
    private bool TryBegin()
    {
        do
        {
            if (_next >= endCursor)
            {
                return false;
            }

            _step = slice.StepAt(_next);
            Cursor = _next;
            if (Cursor < _step.Pass * _step.PassLength)
            {
                Cursor = _step.Pass * _step.PassLength; // The rest of the pass before was dropped.
            }

            if (Cursor >= endCursor)
            {
                return false;
            }

            _next = _step.NextCursor;
            (_inStep, _pieceStart, _pieceCount) = (0, 0, 0);
        }
        while (_step.Count == _step.PaddingCount);

        return true;
    }
}
